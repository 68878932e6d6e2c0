"""Exports by the fewest commands that tgtd needs for one, said by nobody but their caller."""

import asyncio
import secrets
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from fairlead_devstack.ports import free_port
from fairlead_operator.drivers import tgt_process
from fairlead_operator.drivers import tgt_protocol as tgt
from fairlead_operator.drivers.base import DriverUnavailable
from fairlead_operator.drivers.tgt_daemon import end_tgtd
from fairlead_operator.drivers.tgt_socket import exchange

_STEM = "bare"
_PREFIX = "iqn.2026-11.org.example"
_SIZE = 2**30
_PATIENCE = 20.0


class BareTargets:
    """A tgtd of its own. Use as an async context manager."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / f"{_STEM}.0"

    async def __aenter__(self) -> Self:
        self._folder.mkdir(mode=0o700)
        portal = f"127.0.0.1:{free_port('127.0.0.1')}"
        tgt_process.start_tgtd(self._folder, socket_stem=_STEM, portal=portal, io_threads=2)
        try:
            deadline = time.monotonic() + _PATIENCE
            while not await self._answers():
                if time.monotonic() > deadline:
                    raise DriverUnavailable(f"the bare tgtd does not answer after {_PATIENCE:g} s")
                await asyncio.sleep(0.02)
        except BaseException:
            await end_tgtd(self._folder)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await end_tgtd(self._folder)

    def file(self, name: str) -> Path:
        """Make a volume's file."""
        path = self._folder / f"{name}.img"
        with path.open("wb") as file:
            file.truncate(_SIZE)
        return path

    async def export(self, handle: str, path: Path) -> int:
        """Export a file to one initiator with one account. Returns the target's number."""
        tid = secrets.randbelow(2**31 - 1) + 1
        for request in (
            tgt.target_new(tid, f"{_PREFIX}:{handle}"),
            tgt.lun_new(tid, 1, str(path)),
            tgt.lun_update(tid, 1, scsi_id=handle, scsi_sn=handle, thin_provisioning="1", readonly="0"),
            tgt.account_new(handle, secrets.token_hex(8)),
            tgt.account_bind(tid, handle),
            tgt.initiator_bind(tid, f"{_PREFIX}:node"),
        ):
            await self._say(request)
        return tid

    async def remove(self, tid: int, handle: str) -> None:
        """End an export that nobody is logged in to."""
        await self._say(tgt.target_delete(tid))
        await self._say(tgt.account_delete(handle))

    async def _say(self, request: tgt.Request) -> str:
        return await exchange(self._socket, request, admit=lambda: None)

    async def _answers(self) -> bool:
        try:
            await self._say(tgt.system_show())
        except DriverUnavailable:
            return False
        return True
