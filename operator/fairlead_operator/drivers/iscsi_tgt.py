"""The driver `iscsi-tgt`: volumes are sparse files, exports are iSCSI targets of tgtd, one per attachment.

The order in which an export is made keeps everybody out until it is whole: target, LUN, account, and the initiator's
name last, because a target that admits an initiator and has no account asks for no password. It is removed in the
order that cuts off first: tgtd is told to refuse logins and commands of that target, then its sessions are closed,
then it is deleted. A target that is not exactly as wanted is removed and made again rather than mended: mending has
many cases, remaking has one, and the only disturbed node is one whose export was wrong.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypeVar

from fairlead_operator.drivers import tgt_listing, tgt_protocol
from fairlead_operator.drivers.base import (
    AccessMode,
    BackendVolume,
    Capabilities,
    ConnectionInfo,
    Driver,
    DriverError,
    DriverUnavailable,
    Export,
    ExportRequest,
    IncompleteConnector,
    Listing,
    Stats,
)
from fairlead_operator.drivers.iscsi_names import is_handle, is_initiator_name
from fairlead_operator.drivers.iscsi_tgt_parameters import IscsiTgtParameters
from fairlead_operator.drivers.tgt_daemon import ExistingDaemon, SupervisedDaemon, TgtDaemon
from fairlead_operator.drivers.tgt_export import (
    CONTROLLER,
    LUN,
    WantedTarget,
    as_export,
    fingerprint,
    handle_of,
    scsi_identity,
)
from fairlead_operator.drivers.tgt_process import turn_log
from fairlead_operator.drivers.tgt_protocol import TgtErrno, TgtError
from fairlead_operator.drivers.volume_files import VolumeFiles
from fairlead_operator.faultpoints import faultpoint

_T = TypeVar("_T")

_REMOVE_LIMIT = 15.0
_FORCE_AFTER = 2.0
_PASSWORD_LENGTHS = range(12, 256)
_GONE = frozenset({TgtErrno.NO_TARGET, TgtErrno.NO_SESSION, TgtErrno.NO_CONNECTION, TgtErrno.NO_USER, TgtErrno.NO_LUN})


class IscsiTgtDriver(Driver):
    """One Backend on one tgtd."""

    parameters_model: ClassVar[type[IscsiTgtParameters]] = IscsiTgtParameters
    capabilities: ClassVar[Capabilities] = Capabilities(
        protocol="iscsi", multi_attach=True, extend=True, extend_online=False
    )

    def __init__(self, *, backend: str, parameters: Any) -> None:
        self._backend = backend
        self._parameters = IscsiTgtParameters.model_validate(parameters)
        self._files = VolumeFiles(self._parameters.data_dir / "volumes")
        self._daemon = _daemon_for(self._parameters)
        self._show_turn = asyncio.Lock()
        self._shows_begun = 0
        self._shown = (0, "")

    @property
    def generation(self) -> str:
        """Names tgtd's present life by its process."""
        return self._daemon.generation

    async def start(self) -> None:
        """Make the folders and find out whether tgtd can be used. It is started by the first `fence`."""
        await self._daemon.prepare()
        await asyncio.to_thread(self._files.prepare)

    async def stop(self) -> None:
        """Stop watching tgtd; it goes on."""
        await self._daemon.stop()

    async def shutdown_daemon(self) -> None:
        """End a supervised tgtd with every export it has: for a development stack that goes down."""
        await self.stop()
        if isinstance(self._daemon, SupervisedDaemon):
            await self._daemon.end()

    async def fence(self, epoch: str) -> None:
        """See the driver contract and `tgt_daemon`."""
        await self._daemon.fence(epoch)

    async def check(self) -> None:
        """Ask tgtd for a sign of life and look whether the data folder is there."""
        await self._daemon.call(tgt_protocol.system_show())
        await asyncio.to_thread(self._files.check)
        if isinstance(self._daemon, SupervisedDaemon):
            await asyncio.to_thread(turn_log, self._parameters.run_folder)

    async def stats(self) -> Stats:
        """Capacity of the data folder's file system. Volumes are sparse, so more may be promised than it holds."""
        return await asyncio.to_thread(self._files.stats)

    async def create_volume(self, volume: BackendVolume) -> None:
        """Make the file; see `VolumeFiles.create`."""
        await self._on_file(volume.handle, lambda: self._files.create(volume.handle, volume.size))

    async def extend_volume(self, volume: BackendVolume) -> None:
        """Grow the file, and show the new size in every export of it that no node is logged in to.

        tgtd takes a file's size once, so a node that is logged in sees the new one after its next attachment.
        """
        await self._on_file(volume.handle, lambda: self._files.extend(volume.handle, volume.size))
        path = str(self._files.path(volume.handle))
        for target in await self._targets():
            lun = target.luns.get(LUN)
            if lun is not None and lun.path == path and lun.megabytes != tgt_listing.shown_megabytes(volume.size):
                await self._reopen_lun(target.tid, volume.handle, read_only=lun.read_only)

    async def volume_size(self, handle: str) -> int | None:
        """Length of the file; None when there is none."""
        return await self._on_file(handle, lambda: self._files.size(handle))

    async def delete_volume(self, handle: str) -> None:
        """Delete the file, unless a target has it open."""
        path = str(self._files.path(_checked(handle, "volume")))
        for target in await self._targets():
            if any(lun.path == path for lun in target.luns.values()):
                raise DriverError(f"volume {handle} is still exported as {target.name}; remove that export first")
        await self._on_file(handle, lambda: self._files.delete(handle))

    def validate_connector(self, connector: Mapping[str, Any]) -> str:
        """The initiator's name, which iSCSI calls its node name.

        A null or malformed name is refused like a missing one: an export that admits no particular initiator is never
        acceptable here, whatever Cinder lets pass.
        """
        initiator = connector.get("initiator")
        if not is_initiator_name(initiator):
            raise IncompleteConnector("initiator")
        return str(initiator)

    async def create_export(self, request: ExportRequest) -> ConnectionInfo:
        """Have a target that is exactly what was asked for."""
        wanted = self._wanted(request)
        _require_good(request)
        size = await self._on_file(request.volume.handle, lambda: self._files.size(request.volume.handle))
        if size is None:
            raise DriverError(f"volume {request.volume.handle} does not exist: it cannot be exported")
        wanted = self._wanted(request, size=size)
        tid = await self._new_target(wanted.name)
        if tid is None:
            present = await self._targets(only=wanted.name)
            if any(wanted.differs(target) is None for target in present):
                return self._connection_info(request.handle)
            await self.remove_export(request.handle)
            tid = await self._new_target(wanted.name)
            if tid is None:
                raise DriverUnavailable(f"target {wanted.name} appeared again while it was being remade; trying again")
        await self._build(tid, wanted, request)
        return self._connection_info(request.handle)

    async def get_export(self, handle: str) -> Export | None:
        """Read it back from tgtd."""
        name = self._name(handle)
        exports = [as_export(target, handle, self._files) for target in await self._targets(only=name)]
        # A whole record before others of that name: see tgt_listing for how there can be two.
        return max(exports, key=lambda export: export.complete, default=None)

    async def list_exports(self) -> Listing:
        """Every target, by one request."""
        ours: dict[str, Export] = {}
        foreign: list[str] = []
        for target in await self._targets():
            handle = handle_of(target.name, self._parameters.iqn_prefix)
            if handle is None:
                foreign.append(target.name)
            elif handle not in ours or not ours[handle].complete:
                ours[handle] = as_export(target, handle, self._files)
        return Listing(ours=ours, foreign=tuple(foreign))

    async def remove_export(self, handle: str) -> None:
        """Cut off, close, delete, and prove by tgtd's list of names that the target is gone."""
        name = self._name(handle)
        tid = await self._tid(name)
        if tid is not None:
            await self._unless_gone(tgt_protocol.target_state(tid, ready=False))
            await faultpoint("tgt.remove.after-unbind")
            await self._end_target(tid, name)
            await faultpoint("tgt.remove.after-target")
        await self._unless_gone(tgt_protocol.account_delete(handle))
        await faultpoint("tgt.remove.after-account")
        if await self._tid(name) is not None:
            raise DriverUnavailable(f"target {name} is there again after it was deleted; trying again")

    async def _build(self, tid: int, wanted: WantedTarget, request: ExportRequest) -> None:
        call = self._daemon.call
        await faultpoint("tgt.create.after-target")
        await call(tgt_protocol.lun_new(tid, LUN, str(wanted.path)))
        await call(_lun_attributes(tid, wanted.scsi_id, read_only=wanted.access_mode is AccessMode.READ_ONLY))
        await faultpoint("tgt.create.after-lun")
        account = tgt_protocol.account_new(wanted.account, request.credentials.password)
        try:
            await call(account)
        except TgtError as error:
            if error.code is not TgtErrno.USER_EXIST:
                raise
            # Of an earlier, removed life of this export, with a password that cannot be read.
            await self._unless_gone(tgt_protocol.account_delete(wanted.account))
            await call(account)
        await faultpoint("tgt.create.after-account")
        await call(tgt_protocol.account_bind(tid, wanted.account))
        await call(tgt_protocol.lun_update(tid, CONTROLLER, scsi_sn=wanted.fingerprint))
        await faultpoint("tgt.create.after-bind")
        await call(tgt_protocol.initiator_bind(tid, wanted.initiator))
        await faultpoint("tgt.create.after-initiator")

    async def _new_target(self, name: str) -> int | None:
        """Make a target under a number never used before; None when the name exists.

        The number is random, not the next free one: a login that stalled half way refers to its target by number and
        would end up in whatever has that number when it goes on.
        """
        while True:
            tid = secrets.randbelow(2**31 - 1) + 1
            try:
                await self._daemon.call(tgt_protocol.target_new(tid, name))
                return tid
            except TgtError as error:
                if error.code is not TgtErrno.TARGET_EXIST:
                    raise
                taken = tgt_listing.parse_names(await self._daemon.call(tgt_protocol.names_show()))
                if name in taken:
                    return None
                if tid not in taken.values():
                    raise DriverUnavailable(f"target {name} came and went while it was made; trying again") from error

    async def _end_target(self, tid: int, name: str) -> None:
        """Close its sessions and delete it. A login that was half way may still become a session, hence the loop."""
        begun = time.monotonic()
        pause = 0.001
        while True:
            try:
                shown = await self._daemon.call(tgt_protocol.connection_show(tid))
            except TgtError as error:
                if error.code in _GONE:
                    return
                raise
            for connection in tgt_listing.parse_connections(shown):
                await self._unless_gone(tgt_protocol.connection_delete(tid, connection.sid, connection.cid))
            await faultpoint("tgt.remove.after-sessions")
            waited = time.monotonic() - begun
            try:
                # A node that hangs with its receive window closed never lets tgtd see that its connection should end.
                await self._unless_gone(tgt_protocol.target_delete(tid, force=waited > _FORCE_AFTER))
                return
            except TgtError as error:
                if error.code not in (TgtErrno.TARGET_ACTIVE, TgtErrno.LUN_ACTIVE):
                    raise
                if waited > _REMOVE_LIMIT:
                    raise DriverUnavailable(
                        f"target {name} is cut off but cannot be deleted yet, its last commands still run: {error}"
                    ) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.1)

    async def _reopen_lun(self, tid: int, volume_handle: str, *, read_only: bool) -> None:
        """Have tgtd take the file's size again, unless a node is logged in: it would see its disk vanish."""
        connections = tgt_protocol.connection_show(tid)
        if await self._daemon.call(connections):
            return
        await self._daemon.call(tgt_protocol.target_state(tid, ready=False))
        # One that logged in between sees its disk vanish for a moment at worst; it has not used it yet.
        if not await self._daemon.call(connections):
            await self._unless_gone(tgt_protocol.lun_delete(tid, LUN))
            await faultpoint("tgt.extend.after-lun-delete")
            await self._daemon.call(tgt_protocol.lun_new(tid, LUN, str(self._files.path(volume_handle))))
            await self._daemon.call(_lun_attributes(tid, scsi_identity(volume_handle), read_only=read_only))
        await self._daemon.call(tgt_protocol.target_state(tid, ready=True))

    async def _targets(self, *, only: str | None = None) -> list[tgt_listing.Target]:
        """Targets as tgtd has them now. Callers that come while a listing is under way share the next one."""
        wanted = self._shows_begun + 1
        async with self._show_turn:
            number, text = self._shown
            if number < wanted:
                self._shows_begun += 1
                number = self._shows_begun
                text = await self._daemon.call(tgt_protocol.target_show())
                self._shown = (number, text)
        return tgt_listing.parse_targets(text, only=only)

    async def _tid(self, name: str) -> int | None:
        return tgt_listing.parse_names(await self._daemon.call(tgt_protocol.names_show())).get(name)

    async def _unless_gone(self, request: tgt_protocol.Request) -> None:
        """One request, for which "there is none" is success."""
        try:
            await self._daemon.call(request)
        except TgtError as error:
            if error.code not in _GONE:
                raise

    async def _on_file(self, handle: str, work: Callable[[], _T]) -> _T:
        _checked(handle, "volume")
        self._daemon.require()
        await faultpoint("tgt.volume.before-file")
        return await asyncio.to_thread(work)

    def _name(self, handle: str) -> str:
        return f"{self._parameters.iqn_prefix}:{_checked(handle, 'attachment')}"

    def _wanted(self, request: ExportRequest, *, size: int = 0) -> WantedTarget:
        return WantedTarget(
            name=self._name(request.handle),
            path=self._files.path(_checked(request.volume.handle, "volume")),
            size=size,
            scsi_id=scsi_identity(request.volume.handle),
            access_mode=request.access_mode,
            account=request.credentials.username,
            fingerprint=fingerprint(request.credentials),
            initiator=self.validate_connector(request.connector),
        )

    def _connection_info(self, handle: str) -> ConnectionInfo:
        return ConnectionInfo(
            driver_volume_type="iscsi",
            data={
                "target_discovered": False,
                "target_portal": self._parameters.told_portal,
                "target_iqn": self._name(handle),
                "target_lun": LUN,
                "auth_method": "CHAP",
                "auth_username": handle,
            },
        )


def _daemon_for(parameters: IscsiTgtParameters) -> TgtDaemon:
    if parameters.socket_path is not None:
        return ExistingDaemon(run_folder=parameters.run_folder, socket_path=parameters.socket_path)
    return SupervisedDaemon(
        run_folder=parameters.run_folder, listen=parameters.listen, io_threads=parameters.io_threads
    )


def _lun_attributes(tid: int, scsi_id: str, *, read_only: bool) -> tgt_protocol.Request:
    return tgt_protocol.lun_update(
        tid, LUN, scsi_id=scsi_id, scsi_sn=scsi_id, thin_provisioning="1", readonly="1" if read_only else "0"
    )


def _checked(handle: str, of_what: str) -> str:
    if not is_handle(handle):
        raise DriverError(
            f"{of_what} handle {handle!r} is not 1 to 64 lower-case letters, digits, dashes and dots: "
            "it becomes part of a target's or a file's name"
        )
    return handle


def _require_good(request: ExportRequest) -> None:
    if request.credentials.username != request.handle:
        raise DriverError(
            f"the account of export {request.handle} must have the handle as its name, so that it can be told from "
            "others and is never shared"
        )
    if len(request.credentials.password) not in _PASSWORD_LENGTHS:
        raise DriverError(
            f"the CHAP password of export {request.handle} must have 12 to 255 characters (RFC 7143, section 12.1.4)"
        )
