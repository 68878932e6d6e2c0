"""Fault points of a running operator: stop it at a step, see that it got there, let it go on."""

from pathlib import Path

from waiting import wait_for


class Faults:
    """One operator process's fault folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def set(self, point: str, action: str) -> None:
        """Ask for `kill`, `stop`, `pause` or `error` once at that point, or for `errors` until cleared."""
        (self.folder / f"{point}.reached").unlink(missing_ok=True)
        partial = self.folder / f".{point}"
        partial.write_text(action)
        # In one step: the operator must never read half an order.
        partial.rename(self.folder / point)

    def wait_reached(self, point: str, *, timeout: float = 30.0) -> None:
        """Wait until the operator is there."""
        wait_for((self.folder / f"{point}.reached").exists, what=f"fault point {point} is reached", timeout=timeout)

    def reached(self, point: str) -> bool:
        return (self.folder / f"{point}.reached").exists()

    def go(self, point: str) -> None:
        """Let a paused operator go on."""
        (self.folder / f"{point}.go").touch()

    def clear(self, point: str) -> None:
        """Take an order back that was not reached, or that holds until now."""
        (self.folder / point).unlink(missing_ok=True)
