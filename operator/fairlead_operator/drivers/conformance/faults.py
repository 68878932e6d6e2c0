"""Fault points of the process under test, armed and released."""

from pathlib import Path


class Faults:
    """Fault points of this process, armed by a test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def arm(self, point: str, action: str = "error") -> None:
        """Do `action` the next time that point is passed; see `fairlead_operator.faultpoints`."""
        (self._folder / point).write_text(action)

    def reached(self, point: str) -> bool:
        """True when it was passed."""
        return (self._folder / f"{point}.reached").exists()

    def disarm(self, point: str) -> None:
        """Forget an order that nobody reached."""
        (self._folder / point).unlink(missing_ok=True)

    def release(self, point: str) -> None:
        """Let go what is paused there."""
        (self._folder / f"{point}.go").touch()
