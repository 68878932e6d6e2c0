"""A storage array in memory, and the driver that speaks to it.

The array is what is true about data and exports; nobody but the test sees it directly. The driver keeps the contract
of `drivers.base`: after a fence no earlier epoch has an effect, epochs never go back, and the array serves the calls of
one epoch in the order in which they were sent (an answer to a later call means that earlier ones are over).
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fairlead_crds.kinds import AccessMode
from fairlead_operator.drivers.base import (
    BackendVolume,
    Capabilities,
    ConnectionInfo,
    Driver,
    DriverError,
    DriverUnavailable,
    Export,
    ExportRequest,
    Fenced,
    IncompleteConnector,
    Listing,
    Parameters,
    Session,
    Stats,
)
from unit.model.calls import transmit

ARRAYS: dict[str, "Array"] = {}
"""By the name that a Backend's parameters give."""

SIZE = 10 * 2**30
_TOTAL = 1000 * 2**30


@dataclass(frozen=True, kw_only=True)
class Exported:
    """An export as the array has it. An initiator of None admits nobody."""

    volume: str | None
    initiator: str | None
    mode: AccessMode | None
    intact: bool = True
    sessions: tuple[str, ...] = ()


@dataclass
class Array:
    """See the module."""

    epoch: str = ""
    life: int = 1
    down: bool = False
    volumes: dict[str, int] = field(default_factory=dict)
    exports: dict[str, Exported] = field(default_factory=dict)

    def admit(self, epoch: str) -> None:
        """Refuse whoever is fenced off, and everybody while the daemon is down."""
        if epoch != self.epoch:
            raise Fenced(f"epoch {epoch} is over")
        if self.down:
            raise DriverUnavailable("the array does not answer")

    def restart(self) -> None:
        """The daemon begins anew: the data stay, the exports are forgotten."""
        self.exports.clear()
        self.life += 1
        self.down = False

    def log_in(self, handle: str) -> bool:
        """The node that an export admits logs in, if there is one."""
        export = self.exports.get(handle)
        if export is None or export.initiator is None:
            return False
        self.exports[handle] = replace(export, sessions=(export.initiator,))
        return True

    def reaching(self, volume: str) -> dict[str, Exported]:
        """Return the exports through which somebody can reach the volume, by handle."""
        return {h: e for h, e in self.exports.items() if e.volume == volume and (e.initiator or e.sessions)}


class SimulatedParameters(Parameters):
    """Which array."""

    array: str


class SimulatedDriver(Driver):
    """Sends every call as one message: it may arrive or not, late or at once, and its answer too."""

    parameters_model = SimulatedParameters
    capabilities = Capabilities(protocol="simulated", multi_attach=True, extend=True, sees_sessions=True)

    def __init__(self, *, backend: str, parameters: Any) -> None:
        del backend
        self._array = ARRAYS[parameters.array]
        self._epoch = "none"

    async def _send(self, name: str, effect: Callable[[Array], Any], *, changes: bool, half: Any = None) -> Any:
        array, epoch = self._array, self._epoch

        def arrive() -> Any:
            array.admit(epoch)
            return effect(array)

        def arrive_half() -> Any:
            array.admit(epoch)
            return half(array)

        return await transmit(
            "array", name, arrive, changes=changes, epoch=epoch, half=arrive_half if half is not None else None
        )

    async def start(self) -> None:
        """Nothing to find or to start."""

    async def stop(self) -> None:
        """Nothing to let go of."""
        await asyncio.sleep(0)

    async def fence(self, epoch: str) -> None:
        """Begin an epoch; never go back to an earlier one."""
        array, self._epoch = self._array, epoch

        def arrive() -> None:
            if epoch < array.epoch:
                raise Fenced(f"epoch {array.epoch} has begun")
            if array.down:
                raise DriverUnavailable("the array does not answer")
            array.epoch = epoch

        await transmit("array", "fence", arrive, changes=True, epoch=epoch)

    async def check(self) -> None:
        """Ask something cheap."""
        await self._send("check", lambda array: None, changes=False)

    @property
    def generation(self) -> str:
        """The daemon's life."""
        return str(self._array.life)

    async def stats(self) -> Stats:
        """Always the same."""
        return Stats(total=_TOTAL, free=_TOTAL // 2)

    async def create_volume(self, volume: BackendVolume) -> None:
        """One that is there stays as it is."""
        await self._send(
            "create_volume",
            lambda array: array.volumes.setdefault(volume.handle, volume.size),
            changes=True,
        )

    async def extend_volume(self, volume: BackendVolume) -> None:
        """Grow, never shrink."""

        def effect(array: Array) -> None:
            if volume.handle not in array.volumes:
                raise DriverError(f"no volume {volume.handle}")
            array.volumes[volume.handle] = max(array.volumes[volume.handle], volume.size)

        await self._send("extend_volume", effect, changes=True)

    async def volume_size(self, handle: str) -> int | None:
        """Read its size."""
        size: int | None = await self._send("volume_size", lambda array: array.volumes.get(handle), changes=False)
        return size

    async def delete_volume(self, handle: str) -> None:
        """Absent is success; refused while exported."""

        def effect(array: Array) -> None:
            if any(e.volume == handle for e in array.exports.values()):
                raise DriverError(f"volume {handle} is exported")
            array.volumes.pop(handle, None)

        await self._send("delete_volume", effect, changes=True)

    def validate_connector(self, connector: Mapping[str, Any]) -> str:
        """The initiator's name."""
        initiator = connector.get("initiator")
        if not isinstance(initiator, str):
            raise IncompleteConnector("initiator")
        return initiator

    async def create_export(self, request: ExportRequest) -> ConnectionInfo:
        """Make or remake; another initiator's sessions end first. The half-way state admits nobody."""
        wanted = Exported(
            volume=request.volume.handle,
            initiator=self.validate_connector(request.connector),
            mode=request.access_mode,
        )

        def effect(array: Array) -> None:
            if request.volume.handle not in array.volumes:
                raise DriverError(f"no volume {request.volume.handle}")
            before = array.exports.get(request.handle)
            keep = before is not None and replace(before, sessions=()) == wanted
            array.exports[request.handle] = replace(wanted, sessions=before.sessions if keep and before else ())

        def half(array: Array) -> None:
            array.exports[request.handle] = replace(wanted, initiator=None, intact=False)

        await self._send("create_export", effect, changes=True, half=half)
        return ConnectionInfo(driver_volume_type="simulated", data={"target": request.handle})

    async def get_export(self, handle: str) -> Export | None:
        """Read it back."""
        state = await self._send("get_export", lambda array: array.exports.get(handle), changes=False)
        return _export(handle, state) if state is not None else None

    async def remove_export(self, handle: str) -> Sequence[Session]:
        """Absent is success."""
        removed = await self._send("remove_export", lambda array: array.exports.pop(handle, None), changes=True)
        return _export(handle, removed).sessions if removed is not None else ()

    async def list_exports(self) -> Listing:
        """Everything, at one moment."""
        listed = await self._send("list_exports", lambda array: dict(array.exports), changes=False)
        return Listing(ours={handle: _export(handle, state) for handle, state in listed.items()})


def _export(handle: str, state: Exported) -> Export:
    return Export(
        handle=handle,
        volume_handle=state.volume,
        initiator=state.initiator,
        access_mode=state.mode,
        complete=state.intact and state.initiator is not None and state.volume is not None,
        sessions=[Session(initiator=name, address="") for name in state.sessions],
    )
