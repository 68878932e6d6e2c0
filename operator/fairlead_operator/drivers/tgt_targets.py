"""tgtd's targets: made, read and ended in the one order in which nobody gets in who should not."""

import asyncio
import secrets
import time
from collections.abc import Collection
from pathlib import Path

from fairlead_operator.drivers import tgt_listing, tgt_protocol
from fairlead_operator.drivers.base import AccessMode, DriverUnavailable
from fairlead_operator.drivers.tgt_export import CONTROLLER, LUN, WantedTarget
from fairlead_operator.drivers.tgt_fence import TgtDaemon
from fairlead_operator.drivers.tgt_listing import Connection, Target, shown_megabytes
from fairlead_operator.drivers.tgt_protocol import Request, TgtErrno, TgtError
from fairlead_operator.faultpoints import faultpoint
from fairlead_operator.rounds import Rounds

_REMOVE_GRACE = 5.0
_PINGS = 3
_GONE = frozenset({TgtErrno.NO_TARGET, TgtErrno.NO_SESSION, TgtErrno.NO_CONNECTION, TgtErrno.NO_USER, TgtErrno.NO_LUN})


class TgtTargets:
    """The targets of one tgtd."""

    def __init__(self, *, daemon: TgtDaemon, node_timeout: int) -> None:
        """Takes the daemon and the seconds after which the session of a node that answers nothing is closed."""
        self._call = daemon.call
        self._node_timeout = node_timeout
        self._shows: Rounds[str] = Rounds()

    async def read(self, *, only: str | None = None) -> list[Target]:
        """Targets as tgtd has them now, or those of one name.

        A listing of 1,000 targets keeps tgtd from its nodes for some 15 ms, so callers that come while one is under
        way share the next one.
        """
        text = await self._shows.next(lambda: self._call(tgt_protocol.target_show()))
        return tgt_listing.parse_targets(text, only=only)

    async def number(self, name: str) -> int | None:
        """The number of the target of that name; None proves that there is none."""
        return tgt_listing.parse_number(await self._call(tgt_protocol.names_show()), name)

    async def new(self, name: str) -> int | None:
        """Make a target under a number never used before; None when the name exists.

        The number is random, not the next free one: a login that stalled half way refers to its target by number and
        would end up in whatever has that number when it goes on.
        """
        while True:
            tid = secrets.randbelow(2**31 - 1) + 1
            try:
                await self._call(tgt_protocol.target_new(tid, name))
                return tid
            except TgtError as error:
                if error.code is not TgtErrno.TARGET_EXIST:
                    raise
                taken = tgt_listing.parse_names(await self._call(tgt_protocol.names_show()))
                if name in taken:
                    return None
                if tid not in taken.values():
                    raise DriverUnavailable(f"target {name} came and went while it was made; trying again") from error

    async def build(self, tid: int, wanted: WantedTarget, password: str) -> None:
        """Fill a target that `new` has made; the initiator's name comes last and opens it."""
        await faultpoint("tgt.create.after-target")
        # A node that hangs with its receive window closed keeps tgtd from closing its connection, and the target from
        # being deleted, for as long as it hangs. tgtd's own pings end that; they are off by default.
        await self._call(tgt_protocol.target_set(tid, "nop_count", _PINGS))
        await self._call(tgt_protocol.target_set(tid, "nop_interval", self._node_timeout // (_PINGS + 1)))
        await self._open_lun(tid, wanted.path, wanted.scsi_id, read_only=wanted.access_mode is AccessMode.READ_ONLY)
        await faultpoint("tgt.create.after-lun")
        account = tgt_protocol.account_new(wanted.account, password)
        try:
            await self._call(account)
        except TgtError as error:
            if error.code is not TgtErrno.USER_EXIST:
                raise
            # Of an earlier, removed life of this export, with a password that cannot be read.
            await self.drop_account(wanted.account)
            await self._call(account)
        await faultpoint("tgt.create.after-account")
        await self._call(tgt_protocol.account_bind(tid, wanted.account))
        await self._call(tgt_protocol.lun_update(tid, CONTROLLER, scsi_sn=wanted.fingerprint))
        await faultpoint("tgt.create.after-bind")
        await self._call(tgt_protocol.initiator_bind(tid, wanted.initiator))
        await faultpoint("tgt.create.after-initiator")

    async def end(self, tid: int, name: str) -> Collection[Connection]:
        """Refuse logins and commands, close sessions, delete; return the connections that it closed. Gone is success.

        Raises:
            DriverUnavailable: it is cut off, but tgtd cannot delete it yet; repeat.
        """
        await self._unless_gone(tgt_protocol.target_state(tid, ready=False))
        await faultpoint("tgt.remove.after-unbind")
        end = time.monotonic() + self._node_timeout + _REMOVE_GRACE
        pause = 0.001
        closed: dict[Connection, None] = {}
        # A login that was half way may still become a session, hence the loop.
        while not await self._end_now(tid, name, closed, last=time.monotonic() > end):
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.1)
        await faultpoint("tgt.remove.after-target")
        return closed.keys()

    async def drop_account(self, user: str) -> None:
        """Delete a CHAP account; none is success. Only for accounts that are bound to no target with others."""
        await self._unless_gone(tgt_protocol.account_delete(user))

    async def show_new_size(self, path: Path, size: int, scsi_id: str) -> None:
        """Have tgtd take a file's size again, in every target on it that no node is logged in to."""
        for target in await self.read():
            lun = target.luns.get(LUN)
            if lun is not None and lun.path == str(path) and lun.megabytes != shown_megabytes(size):
                await self._reopen_lun(target.tid, path, scsi_id, read_only=lun.read_only)

    async def _end_now(self, tid: int, name: str, closed: dict[Connection, None], *, last: bool) -> bool:
        try:
            shown = await self._call(tgt_protocol.connection_show(tid))
            for connection in tgt_listing.parse_connections(shown):
                await self._unless_gone(tgt_protocol.connection_delete(tid, connection.sid, connection.cid))
                closed[connection] = None
            await faultpoint("tgt.remove.after-sessions")
            await self._call(tgt_protocol.target_delete(tid))
        except TgtError as error:
            if error.code in _GONE:
                return True
            if error.code not in (TgtErrno.TARGET_ACTIVE, TgtErrno.LUN_ACTIVE):
                raise
            if last:
                raise DriverUnavailable(
                    f"target {name} takes no more commands but cannot be deleted yet, its node hangs or its last "
                    f"commands still run; trying again: {error}"
                ) from error
            return False
        return True

    async def _open_lun(self, tid: int, path: Path, scsi_id: str, *, read_only: bool) -> None:
        await self._call(tgt_protocol.lun_new(tid, LUN, str(path)))
        await self._call(
            tgt_protocol.lun_update(
                tid, LUN, scsi_id=scsi_id, scsi_sn=scsi_id, thin_provisioning="1", readonly="1" if read_only else "0"
            )
        )

    async def _reopen_lun(self, tid: int, path: Path, scsi_id: str, *, read_only: bool) -> None:
        connections = tgt_protocol.connection_show(tid)
        if await self._call(connections):
            return
        await self._call(tgt_protocol.target_state(tid, ready=False))
        await faultpoint("tgt.extend.after-offline")
        # Whoever logged in between keeps the old size, and waits for a moment.
        if not await self._call(connections):
            await self._unless_gone(tgt_protocol.lun_delete(tid, LUN))
            await faultpoint("tgt.extend.after-lun-delete")
            await self._open_lun(tid, path, scsi_id, read_only=read_only)
        await self._call(tgt_protocol.target_state(tid, ready=True))

    async def _unless_gone(self, request: Request) -> None:
        """One request, for which "there is none" is success."""
        try:
            await self._call(request)
        except TgtError as error:
            if error.code not in _GONE:
                raise
