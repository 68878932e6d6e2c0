"""What reconciling a Backend's objects needs during one tenure of its Lease."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from fairlead_crds.conditions import Reason
from fairlead_crds.credentials import KeyRing
from fairlead_crds.kinds import Session
from fairlead_kube.client import KubeClient
from fairlead_operator.core.attachment import Failure
from fairlead_operator.core.exports import ExportBook, ExportState
from fairlead_operator.drivers.base import (
    Driver,
    DriverError,
    DriverUnavailable,
    Export,
    IncompleteConnector,
    OutOfSpace,
    UnknownOutcome,
)
from fairlead_operator.drivers.base import Session as LiveSession
from fairlead_operator.events import Recorder
from fairlead_operator.faultpoints import InjectedFault
from fairlead_operator.lease import LostLease, Tenure
from fairlead_operator.queue import WorkQueue
from fairlead_operator.view import Key, View
from fairlead_operator.writes import Writer

EFFECT_TIMEOUT = 20.0
"""Seconds that one call of a driver may take before its outcome counts as unknown and is read back."""


@dataclass(kw_only=True)
class Service:
    """A Backend being served.

    Attributes:
        backend: its name.
        tenure: our time with its Lease.
        driver: our hand on it.
        keys: its CHAP keys.
        book: what it exports, as far as we know.
        lost: handles of volumes whose data were missing at the last sweep.
        unready: why it cannot be used at present; None: it can.
        patience: how long an Attachment may wait before people are told.
    """

    backend: str
    tenure: Tenure
    driver: Driver
    keys: KeyRing
    client: KubeClient
    view: View
    writer: Writer
    recorder: Recorder
    queue: WorkQueue[Key]
    book: ExportBook = field(default_factory=ExportBook)
    lost: set[str] = field(default_factory=set)
    unready: str | None = None
    patience: timedelta | None = None

    def assert_lease(self) -> None:
        """Call right before each outside effect.

        Raises:
            LostLease: somebody else may be in charge by now.
        """
        if not self.tenure.valid:
            raise LostLease(self.backend)


def state_of(export: Export | None) -> ExportState | None:
    """Return what the core wants to know of an export."""
    if export is None:
        return None
    return ExportState(
        volume_handle=export.volume_handle,
        initiator=export.initiator,
        access_mode=export.access_mode,
        complete=export.complete,
        sessions=shown(export.sessions),
    )


def shown(sessions: Iterable[LiveSession]) -> tuple[Session, ...]:
    """Return sessions as statuses and events show them."""
    return tuple(Session(initiator=s.initiator[:255], address=s.address[:255]) for s in sessions)


def failure_of(error: Exception) -> Failure:
    """Phrase a driver's error for a condition."""
    reasons: list[tuple[type[Exception], Reason]] = [
        (OutOfSpace, Reason.OUT_OF_SPACE),
        (IncompleteConnector, Reason.INCOMPLETE_CONNECTOR),
        (DriverUnavailable, Reason.DRIVER_UNAVAILABLE),
    ]
    reason = next((reason for kind, reason in reasons if isinstance(error, kind)), Reason.DRIVER_ERROR)
    if isinstance(error, TimeoutError):
        return Failure(reason=reason, message=f"no answer from the backend within {EFFECT_TIMEOUT:.0f} s")
    return Failure(reason=reason, message=str(error) or type(error).__name__)


def passes_by_itself(error: Exception) -> bool:
    """Whether an error is likely over at the next try (a daemon restarting), so not worth a status write at once."""
    return isinstance(error, DriverUnavailable | UnknownOutcome | TimeoutError)


EFFECT_ERRORS = (DriverError, TimeoutError, InjectedFault)
"""What a driver's call may raise that reconciling turns into a condition."""
