"""The driver contract: what a storage backend must be able to do for the operator.

A driver is the operator's hand on one Backend. It keeps no truth of its own: the custom resources say what should
be exported, the driver makes it so and reports what is. Names follow Cinder's drivers and CSI's controller service.

Rules that every driver obeys, checked by `fairlead_operator.drivers.conformance`:

* Every call is idempotent and may be repeated after a crash at any point of an earlier try.
* `remove_export` and `delete_volume` of something absent succeed.
* An export admits exactly one initiator with exactly one set of credentials; nobody else, at no moment of its making.
* When `remove_export` returns, no session of that export is alive and no new login succeeds.
* Target names derive from the attachment's handle alone and handles are never reused.
* A call that was given up without an answer never takes effect after the answer to a later call of the same epoch.
* After `fence(epoch)` returns, no effect of a call made under an earlier epoch can happen any more.
"""

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pydantic

from fairlead_crds.kinds import AccessMode


class DriverError(Exception):
    """The storage refused or failed an operation; the message says what, on which object, and what to do next."""


class DriverUnavailable(DriverError):
    """The backend's daemon or its storage cannot be reached; nothing is known to have happened. Worth a retry."""


class UnknownOutcome(DriverError):
    """An operation was sent and no answer came: it may or may not have taken effect. Read back before going on."""


class IncompleteConnector(DriverError):
    """The connector lacks a key that this protocol needs.

    Attributes:
        key: the missing key, as os-brick names it (`initiator`, `nqn`, ...).
    """

    def __init__(self, key: str) -> None:
        super().__init__(f"Connector doesn't have required information: {key}")
        self.key = key


class OutOfSpace(DriverError):
    """The backend has not enough free space for a volume of that size."""


class Fenced(DriverError):
    """This driver instance's epoch is over: another holder has fenced it. It must do nothing more."""


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What a driver can do, declared once and constant for its life."""

    protocol: str
    """Cinder's `driver_volume_type`: `iscsi`, `nvmeof`, ..."""
    multi_attach: bool = False
    extend: bool = False
    extend_online: bool = False
    """True when a connected node can see the new size without a new login."""
    sees_sessions: bool = False
    """True when `Export.sessions` has every live connection. Otherwise an empty list proves nothing."""
    exports_nothing: bool = False
    """True for drills only: no node ever reaches a volume. The Backend's condition Ready and an Event say so."""


@dataclass(frozen=True, kw_only=True)
class BackendVolume:
    """A volume as its backend knows it. `handle` names it for its whole life; `size` is in bytes."""

    handle: str
    size: int


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """CHAP credentials of one export. The password never appears in logs: `repr` hides it."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """Everything an export is made from.

    Attributes:
        handle: the attachment's handle; the target name derives from it alone.
        volume: the volume to export.
        connector: what the node said of itself, os-brick's keys, exactly as sent.
        access_mode: read-write or read-only, enforced by the target.
        credentials: CHAP account that the node must present.
    """

    handle: str
    volume: BackendVolume
    connector: Mapping[str, Any]
    access_mode: AccessMode
    credentials: Credentials


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A node's live connection to an export."""

    initiator: str
    address: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Export:
    """An export as read back from the backend.

    Attributes:
        handle: of the attachment that it serves.
        volume_handle: of the volume behind it; None when the export has no volume (half built, or altered by hand).
        initiator: the one initiator admitted; None when nobody or more than one is (half built, or altered by hand).
        access_mode: what the target enforces; None while it has no volume.
        complete: True when nothing is missing and nothing is in excess: volume, mode, account, one initiator.
        sessions: live connections.
    """

    handle: str
    volume_handle: str | None
    initiator: str | None
    access_mode: AccessMode | None
    complete: bool
    sessions: Sequence[Session] = ()


@dataclass(frozen=True, kw_only=True)
class ConnectionInfo:
    """How a node reaches an export, without secrets: os-brick's `connection_properties`.

    Attributes:
        driver_volume_type: `iscsi`, ...
        data: the protocol's own keys (for iSCSI: target_portal, target_iqn, target_lun, target_discovered,
            auth_method, auth_username); never a password.
    """

    driver_volume_type: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """All exports of the backend.

    Attributes:
        ours: by handle, every export whose name this driver would have made.
        foreign: names of the others; the operator reports but never touches them.
    """

    ours: Mapping[str, Export]
    foreign: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Stats:
    """Capacity in bytes."""

    total: int
    free: int


class Parameters(pydantic.BaseModel):
    """A driver's parameters: `Backend.spec.parameters`, checked at the door. Drivers subclass it."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, alias_generator=pydantic.alias_generators.to_camel, populate_by_name=True
    )


class Driver(abc.ABC):
    """One backend's storage. Built from checked parameters; does no I/O before `start`.

    Class attributes:
        parameters_model: the pydantic model of `Backend.spec.parameters`.
        capabilities: what it can do.
    """

    parameters_model: ClassVar[type[Parameters]]
    capabilities: ClassVar[Capabilities]

    @abc.abstractmethod
    def __init__(self, *, backend: str, parameters: Any) -> None:
        """Takes the Backend's name and an instance of `parameters_model`."""

    @abc.abstractmethod
    async def start(self) -> None:
        """Make the backend usable: data folder, daemon found or found startable. Does not disturb live exports.

        Safe on a host where another holder is at work: what only the Lease's holder may do, starting a daemon among
        it, is left to `fence`.

        Raises:
            DriverUnavailable: saying what is missing and how to get it.
        """

    @abc.abstractmethod
    async def stop(self) -> None:
        """Let go of the backend. Live exports stay: a restart of the operator must not cut anybody off."""

    @abc.abstractmethod
    async def fence(self, epoch: str) -> None:
        """Begin `epoch`: when this returns, no command of an earlier epoch can take effect any more.

        `epoch` is unique to one tenure of the Backend's Lease and safe as part of a file name. A driver may order
        epochs of the form `<number>-<scope>` within their scope, and refuse to go back.

        Raises:
            Fenced: when a later epoch has begun.
            DriverUnavailable: the backend is not usable, or an earlier command cannot be proven over; repeat.
        """

    @abc.abstractmethod
    async def check(self) -> None:
        """Find out whether the backend works; cheap, changes nothing.

        Raises:
            DriverUnavailable: with the reason, fit for a condition's message.
            Fenced: when another epoch has begun.
        """

    @property
    @abc.abstractmethod
    def generation(self) -> str:
        """Names the daemon's present life: changes when it restarted, so that exports must be compared again."""

    @abc.abstractmethod
    async def stats(self) -> Stats:
        """Capacity of the backend."""

    @abc.abstractmethod
    async def create_volume(self, volume: BackendVolume) -> None:
        """Make the volume; one that is there stays as it is, never truncated or cleared.

        Raises:
            OutOfSpace: when it is plain that it cannot fit.
        """

    @abc.abstractmethod
    async def extend_volume(self, volume: BackendVolume) -> None:
        """Grow the volume to `volume.size`; never shrinks it, however late the call takes effect."""

    @abc.abstractmethod
    async def volume_size(self, handle: str) -> int | None:
        """Size in bytes of the volume as it is on the backend; None when it does not exist."""

    async def volume_sizes(self, handles: Sequence[str]) -> Mapping[str, int | None]:
        """`volume_size` of many, for a sweep; override where one look at the backend tells them all."""
        return {handle: await self.volume_size(handle) for handle in handles}

    @abc.abstractmethod
    async def delete_volume(self, handle: str) -> None:
        """Delete the volume's data. Absent is success. Refuses (DriverError) while an export of it exists."""

    @abc.abstractmethod
    def validate_connector(self, connector: Mapping[str, Any]) -> str:
        """Return the identity that the export will admit (iSCSI: the initiator's name).

        Raises:
            IncompleteConnector: naming the missing key.
        """

    @abc.abstractmethod
    async def create_export(self, request: ExportRequest) -> ConnectionInfo:
        """Export the volume to that node. A half-built or altered export of the same handle is completed or remade.

        The order inside matters: whoever connects while it is being built must be refused.
        """

    @abc.abstractmethod
    async def get_export(self, handle: str) -> Export | None:
        """Read the export back from the backend, not from memory; None when there is none."""

    @abc.abstractmethod
    async def remove_export(self, handle: str) -> Sequence[Session]:
        """Cut the node off: refuse new logins, end live sessions, delete the export, prove its absence by listing.

        Returns:
            The sessions that it ended, for people to read; empty where the backend does not show them.
        """

    @abc.abstractmethod
    async def list_exports(self) -> Listing:
        """Everything the backend exports now."""


__all__ = [
    "AccessMode",
    "BackendVolume",
    "Capabilities",
    "ConnectionInfo",
    "Credentials",
    "Driver",
    "DriverError",
    "DriverUnavailable",
    "Export",
    "ExportRequest",
    "Fenced",
    "IncompleteConnector",
    "Listing",
    "OutOfSpace",
    "Parameters",
    "Session",
    "Stats",
    "UnknownOutcome",
]
