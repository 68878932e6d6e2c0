"""A tgtd that somebody else runs: found by its management socket, which the fence renames."""

import os
from pathlib import Path

from fairlead_operator.drivers import tgt_protocol
from fairlead_operator.drivers.base import DriverUnavailable
from fairlead_operator.drivers.tgt_fence import TgtDaemon
from fairlead_operator.drivers.tgt_socket import peer_pid
from fairlead_operator.faultpoints import faultpoint


class ExistingDaemon(TgtDaemon):
    """A tgtd that somebody else runs, for this Backend alone: the fence takes its management socket away from others.

    It must run as the same user and be visible to this process (same pid namespace), which the fence needs.
    """

    _longest_pause = 0.2

    def __init__(self, *, run_folder: Path, socket_path: Path) -> None:
        super().__init__(run_folder=run_folder)
        self._base = socket_path

    async def prepare(self) -> None:
        """Also find out whether it answers."""
        await super().prepare()
        self._find()

    def _control(self, epoch: str) -> Path:
        return self._base.with_name(f"{self._base.name}.{epoch}")

    async def _establish(self, epoch: str) -> None:
        mine = self._control(epoch)
        self._record.require(epoch)
        pid, path = self._find()
        await faultpoint("tgt.fence.before-rename")
        if path != mine:
            try:
                os.rename(path, mine)
            except PermissionError as error:
                raise DriverUnavailable(f"may not rename {path}, which the fence does: {error.strerror}") from error
        await self._ask(mine, tgt_protocol.system_show())
        if not await self._stragglers_gone(pid):
            raise DriverUnavailable(
                f"a management connection of an earlier holder is still open in tgtd (pid {pid}); "
                "end the process that holds it, or restart tgtd"
            )
        self._adopt(pid)

    def _find(self) -> tuple[int, Path]:
        # One that was restarted listens under the configured name again, so that name goes first.
        for path in [self._base, *sorted(self._base.parent.glob(f"{self._base.name}.*"))]:
            pid = peer_pid(path) if path.is_socket() else None
            if pid:
                return pid, path
            if pid == 0:
                raise DriverUnavailable(
                    f"tgtd at {path} is in another pid namespace; share it (shareProcessNamespace: true)"
                )
        raise DriverUnavailable(
            f"no tgtd answers at {self._base}; start it, or leave socketPath out to have one started"
        )
