"""The driver `iscsi-tgt`: volumes are sparse files, exports are iSCSI targets of tgtd, one per attachment.

The order in which an export is made keeps everybody out until it is whole: target, LUN, account, and the initiator's
name last, because a target that admits an initiator and has no account asks for no password. It is removed in the
order that cuts off first: tgtd is told to refuse logins and commands of that target, then its sessions are closed,
then it is deleted. A target that is not exactly as wanted is removed and made again rather than mended: mending has
many cases, remaking has one, and the only disturbed node is one whose export was wrong.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from fairlead_operator.drivers.base import (
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
    Session,
    Stats,
)
from fairlead_operator.drivers.iscsi_names import is_handle, is_initiator_name
from fairlead_operator.drivers.iscsi_tgt_parameters import IscsiTgtParameters
from fairlead_operator.drivers.tgt_daemon import SupervisedDaemon
from fairlead_operator.drivers.tgt_existing import ExistingDaemon
from fairlead_operator.drivers.tgt_export import LUN, WantedTarget, as_export, fingerprint, handle_of, scsi_identity
from fairlead_operator.drivers.tgt_fence import TgtDaemon
from fairlead_operator.drivers.tgt_targets import TgtTargets
from fairlead_operator.drivers.volume_files import VolumeFiles
from fairlead_operator.faultpoints import faultpoint

_T = TypeVar("_T")

_PASSWORD = re.compile(r"[\x21-\x7e]{12,255}")


class IscsiTgtDriver(Driver):
    """One Backend on one tgtd."""

    parameters_model: ClassVar[type[IscsiTgtParameters]] = IscsiTgtParameters
    capabilities: ClassVar[Capabilities] = Capabilities(
        protocol="iscsi", multi_attach=True, extend=True, extend_online=False, sees_sessions=True
    )

    def __init__(self, *, backend: str, parameters: Any) -> None:
        self._backend = backend
        self._parameters = IscsiTgtParameters.model_validate(parameters)
        self._files = VolumeFiles(self._parameters.data_dir / "volumes")
        self._daemon = _daemon_for(self._parameters)
        self._targets = TgtTargets(daemon=self._daemon, node_timeout=self._parameters.node_timeout_seconds)

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
        await self._daemon.check()
        await asyncio.to_thread(self._files.check)

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
        await self._targets.show_new_size(self._files.path(volume.handle), volume.size, scsi_identity(volume.handle))

    async def volume_size(self, handle: str) -> int | None:
        """Length of the file; None when there is none."""
        return await self._on_file(handle, lambda: self._files.size(handle))

    async def volume_sizes(self, handles: Sequence[str]) -> Mapping[str, int | None]:
        """Lengths of the files, by one thread."""
        for handle in handles:
            _checked(handle, "volume")
        self._daemon.require()
        return await asyncio.to_thread(self._files.sizes, handles)

    async def delete_volume(self, handle: str) -> None:
        """Delete the file, unless a target has it open."""
        path = str(self._files.path(_checked(handle, "volume")))
        for target in await self._targets.read():
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
        name = self._name(request.handle)
        self.validate_connector(request.connector)
        _require_good(request)
        size = await self._on_file(request.volume.handle, lambda: self._files.size(request.volume.handle))
        if size is None:
            raise DriverError(f"volume {request.volume.handle} does not exist: it cannot be exported")
        wanted = self._wanted(request, size)
        tid = await self._targets.new(name)
        if tid is None:
            present = await self._targets.read(only=name)
            if any(wanted.differs(target) is None for target in present):
                return self._connection_info(request.handle)
            await self.remove_export(request.handle)
            tid = await self._targets.new(name)
            if tid is None:
                raise DriverUnavailable(f"target {name} appeared again while it was being remade; trying again")
        await self._targets.build(tid, wanted, request.credentials.password)
        return self._connection_info(request.handle)

    async def get_export(self, handle: str) -> Export | None:
        """Read it back from tgtd."""
        name = self._name(handle)
        exports = [as_export(target, handle, self._files) for target in await self._targets.read(only=name)]
        # A whole record before others of that name: see tgt_listing for how there can be two.
        return max(exports, key=lambda export: export.complete, default=None)

    async def list_exports(self) -> Listing:
        """Every target, by one request."""
        ours: dict[str, Export] = {}
        foreign: list[str] = []
        for target in await self._targets.read():
            handle = handle_of(target.name, self._parameters.iqn_prefix)
            if handle is None:
                foreign.append(target.name)
            elif handle not in ours or not ours[handle].complete:
                ours[handle] = as_export(target, handle, self._files)
        return Listing(ours=ours, foreign=tuple(foreign))

    async def remove_export(self, handle: str) -> Sequence[Session]:
        """Cut off, close, delete, and prove by tgtd's list of names that the target is gone."""
        name = self._name(handle)
        tid = await self._targets.number(name)
        ended = await self._targets.end(tid, name) if tid is not None else ()
        await self._targets.drop_account(handle)
        await faultpoint("tgt.remove.after-account")
        if await self._targets.number(name) is not None:
            raise DriverUnavailable(f"target {name} is there again after it was deleted; trying again")
        return [Session(initiator=connection.initiator, address=connection.address) for connection in ended]

    async def _on_file(self, handle: str, work: Callable[[], _T]) -> _T:
        _checked(handle, "volume")
        self._daemon.require()
        await faultpoint("tgt.volume.before-file")
        return await asyncio.to_thread(work)

    def _name(self, handle: str) -> str:
        return f"{self._parameters.iqn_prefix}:{_checked(handle, 'attachment')}"

    def _wanted(self, request: ExportRequest, size: int) -> WantedTarget:
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
    if not _PASSWORD.fullmatch(request.credentials.password):
        raise DriverError(
            f"the CHAP password of export {request.handle} must have 12 to 255 printable characters without spaces "
            "(RFC 7143, section 12.1.4)"
        )
