"""The driver `record`: writes down what it should export, and exports nothing.

For drills at sizes for which no storage is at hand, such as 100,000 attachments on one machine. Its Backend must say
that this is understood, the condition Ready and an Event repeat it, and what nodes are told is no protocol that any of
them speaks.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from fairlead_operator.drivers.base import (
    BackendVolume,
    Capabilities,
    ConnectionInfo,
    Driver,
    DriverError,
    Export,
    ExportRequest,
    IncompleteConnector,
    Listing,
    OutOfSpace,
    Parameters,
    Session,
    Stats,
)
from fairlead_operator.drivers.iscsi_names import is_initiator_name
from fairlead_operator.drivers.iscsi_tgt_parameters import AbsolutePath
from fairlead_operator.drivers.record_journal import RecordJournal
from fairlead_operator.faultpoints import faultpoint

_log = logging.getLogger(__name__)

PROTOCOL = "fairlead-record"
"""No protocol: os-brick and every other initiator refuse a `driver_volume_type` that they do not know."""


class RecordParameters(Parameters):
    """Parameters of the driver `record`."""

    data_dir: AbsolutePath = pydantic.Field(description="Folder for its notes; made when absent.")
    capacity_bytes: int = pydantic.Field(default=2**50, gt=0, description="What it claims to have, in bytes.")
    i_understand_that_nothing_is_exported: Annotated[
        Literal[True],
        pydantic.Field(description="Must be true: no node will ever reach a volume of this Backend."),
    ]

    @pydantic.field_validator("i_understand_that_nothing_is_exported", mode="before")
    @classmethod
    def _is_true(cls, value: object) -> object:
        # Literal compares by equality, for which 1 is true as well.
        if value is not True:
            raise ValueError("must be true: this driver writes down what it should export and exports nothing")
        return value


class RecordDriver(Driver):
    """One Backend that exists on paper."""

    parameters_model: ClassVar[type[RecordParameters]] = RecordParameters
    capabilities: ClassVar[Capabilities] = Capabilities(
        protocol=PROTOCOL,
        multi_attach=True,
        extend=True,
        extend_online=True,
        exports_nothing=True,
    )

    def __init__(self, *, backend: str, parameters: Any) -> None:
        self._backend = backend
        self._parameters = RecordParameters.model_validate(parameters)
        self._journal = RecordJournal(self._parameters.data_dir)

    @property
    def generation(self) -> str:
        """There is no daemon that could restart."""
        return PROTOCOL

    async def start(self) -> None:
        """Make the folder."""
        _log.warning("%s: the driver record exports nothing; no node will reach a volume of it", self._backend)
        await asyncio.to_thread(self._journal.prepare)

    async def stop(self) -> None:
        """Let go of the notes; they stay."""
        self._journal.close()

    async def fence(self, epoch: str) -> None:
        """See the driver contract and `record_journal`."""
        await asyncio.to_thread(self._journal.take_over, epoch)

    async def check(self) -> None:
        """Find out whether our epoch is on."""
        self._journal.require()

    async def stats(self) -> Stats:
        """What it claims to have, less what the volumes would take."""
        total = self._parameters.capacity_bytes
        return Stats(total=total, free=max(total - self._journal.promised, 0))

    async def create_volume(self, volume: BackendVolume) -> None:
        """Note the size of a volume that is not there yet."""
        self._journal.require()
        if volume.handle in self._journal.volumes:
            return
        if volume.size > self._parameters.capacity_bytes:
            raise OutOfSpace(f"volume {volume.handle} of {volume.size} bytes is larger than the whole Backend")
        self._journal.put_volume(volume.handle, volume.size)

    async def extend_volume(self, volume: BackendVolume) -> None:
        """Note a larger size."""
        self._journal.require()
        size = self._size(volume.handle)
        if volume.size > size:
            self._journal.put_volume(volume.handle, volume.size)

    async def volume_size(self, handle: str) -> int | None:
        """The size noted."""
        return self._journal.volumes.get(handle)

    async def volume_sizes(self, handles: Sequence[str]) -> Mapping[str, int | None]:
        """The sizes noted."""
        return {handle: self._journal.volumes.get(handle) for handle in handles}

    async def delete_volume(self, handle: str) -> None:
        """Forget a volume of which no export is noted."""
        self._journal.require()
        if handle not in self._journal.volumes:
            return
        user = next((e.handle for e in self._journal.exports.values() if e.volume_handle == handle), None)
        if user is not None:
            raise DriverError(f"volume {handle} is still exported as {user}; remove that export first")
        self._journal.drop_volume(handle)

    def validate_connector(self, connector: Mapping[str, Any]) -> str:
        """The iSCSI initiator's name, so that drills use the connectors that real nodes send."""
        initiator = connector.get("initiator")
        if not is_initiator_name(initiator):
            raise IncompleteConnector("initiator")
        return str(initiator)

    async def create_export(self, request: ExportRequest) -> ConnectionInfo:
        """Note the export; the credentials are not kept."""
        self._journal.require()
        initiator = self.validate_connector(request.connector)
        self._size(request.volume.handle)
        if not request.credentials.password.isprintable():
            raise DriverError(f"the password of export {request.handle} has characters that no protocol takes")
        await faultpoint("record.create.before-note")
        wanted = Export(
            handle=request.handle,
            volume_handle=request.volume.handle,
            initiator=initiator,
            access_mode=request.access_mode,
            complete=True,
        )
        if self._journal.exports.get(request.handle) != wanted:
            self._journal.put_export(wanted)
        return ConnectionInfo(
            driver_volume_type=PROTOCOL,
            data={"nothing_is_exported": True, "export": request.handle},
        )

    async def get_export(self, handle: str) -> Export | None:
        """The export as noted."""
        return self._journal.exports.get(handle)

    async def remove_export(self, handle: str) -> Sequence[Session]:
        """Forget the export; nobody can have been logged in."""
        self._journal.require()
        await faultpoint("record.remove.before-note")
        if handle in self._journal.exports:
            self._journal.drop_export(handle)
        return ()

    async def list_exports(self) -> Listing:
        """Every export noted."""
        return Listing(ours=dict(self._journal.exports))

    def _size(self, handle: str) -> int:
        size = self._journal.volumes.get(handle)
        if size is None:
            raise DriverError(f"volume {handle} does not exist")
        return size
