"""The volume's REST status, derived by joining the Volume with its Attachments. Pure.

The real service keeps the status in a column that every event overwrites. Here nothing is stored but what a person or
Nova set by hand (an annotation); the rest follows from what is. The last event on the volume counts: a reservation, a
connection, a completion. A deletion recomputes from what is left.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from fairlead_api.attachments.state import ANNOTATION_COMPLETED, AttachStatus, attach_status, is_admitted
from fairlead_api.cache.ordering import created_at
from fairlead_crds import conditions, names
from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Attachment, Volume, VolumePhase

AVAILABLE: Final = "available"
RESERVED: Final = "reserved"
ATTACHING: Final = "attaching"
IN_USE: Final = "in-use"
DETACHING: Final = "detaching"
CREATING: Final = "creating"
DELETING: Final = "deleting"
EXTENDING: Final = "extending"
ERROR: Final = "error"
ERROR_EXTENDING: Final = "error_extending"

DETACHED: Final = "detached"

_WORD: Final = {AttachStatus.ATTACHED: IN_USE, AttachStatus.ATTACHING: ATTACHING, AttachStatus.RESERVED: RESERVED}
_LATEST: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class VolumeState:
    """A volume's state as REST sees it.

    Attributes:
        status: the volume's status.
        attach_status: `attached`, `attaching` or `detached`: whether a node has it, whatever status says.
        attachments: the admitted attachments, the oldest first.
    """

    status: str
    attach_status: str
    attachments: tuple[Attachment, ...]


def derive(volume: Volume, attachments: Iterable[Attachment]) -> VolumeState:
    """Return a volume's state."""
    visible = admitted(attachments)
    return VolumeState(_status(volume, visible), _attach_status(visible), visible)


def admitted(attachments: Iterable[Attachment]) -> tuple[Attachment, ...]:
    """The attachments REST shows, the oldest first."""
    found = [attachment for attachment in attachments if is_admitted(attachment)]
    if len(found) > 1:
        found.sort(key=lambda attachment: (created_at(attachment), attachment.id))
    return tuple(found)


def _status(volume: Volume, attachments: Sequence[Attachment]) -> str:
    if volume.deleting:
        return DELETING
    override = overridden(volume, attachments)
    if override is not None:
        return override
    ready = conditions.find(volume.status.conditions, conditions.READY)
    reason = ready.reason if ready is not None else ""
    if volume.status.phase is VolumePhase.PENDING:
        return CREATING
    if reason == Reason.RESIZE_FAILED:
        return ERROR_EXTENDING
    if volume.status.phase is VolumePhase.FAILED:
        return ERROR
    if volume.status.capacity is not None and volume.spec.size_bytes > volume.status.capacity:
        return EXTENDING
    # The phase Held and the ledger are not looked at: they come over another watch than the attachments do, and a
    # volume must be available again in the moment in which its last attachment is known to be gone.
    return last_event(volume, attachments)


def last_event(volume: Volume, attachments: Sequence[Attachment]) -> str:
    """The status that the last event on the volume left."""
    latest, status = None, AVAILABLE
    for position, attachment in enumerate(attachments):
        state = attach_status(attachment)
        if state is AttachStatus.RESERVED and position and not volume.spec.multi_attach:
            # A second attachment of the same instance (live migration) leaves the volume's status as it is.
            continue
        moment = _moment(attachment, state)
        if latest is None or moment >= latest:
            latest, status = moment, _WORD[state]
    return status


def recompute(attachments: Iterable[Attachment]) -> str:
    """The status that a deletion leaves: that of the attachment furthest on among those left."""
    states = sorted(attach_status(attachment) for attachment in attachments)
    return _WORD[states[0]] if states else AVAILABLE


def _moment(attachment: Attachment, state: AttachStatus) -> datetime:
    # A step whose time the operator has not written yet has only just been taken.
    match state:
        case AttachStatus.ATTACHED:
            return _completed_at(attachment) or attachment.status.completed_at or _LATEST
        case AttachStatus.ATTACHING:
            return attachment.status.attached_at or _LATEST
        case _:
            return created_at(attachment)


def _completed_at(attachment: Attachment) -> datetime | None:
    text = attachment.metadata.annotations.get(ANNOTATION_COMPLETED)
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _attach_status(attachments: Sequence[Attachment]) -> str:
    connected = [
        (_moment(attachment, state), state)
        for attachment in attachments
        if (state := attach_status(attachment)) is not AttachStatus.RESERVED
    ]
    return max(connected)[1] if connected else DETACHED


def overridden(volume: Volume, attachments: Sequence[Attachment]) -> str | None:
    """The status that was set by hand, as long as it holds.

    The annotation reads `<status>` or `<status>;<fingerprint>`. With a fingerprint, which the facade always writes, it
    holds until any attachment of the volume comes, goes or changes its state: the events that overwrite the status in
    the real service. No clocks are compared.
    """
    text = volume.metadata.annotations.get(names.ANNOTATION_STATUS)
    if not text:
        return None
    status, semicolon, mark = text.partition(";")
    return status if not semicolon or mark == fingerprint(attachments) else None


def override(status: str, attachments: Iterable[Attachment]) -> str:
    """The annotation that sets a status until the next event."""
    return f"{status};{fingerprint(attachments)}"


def fingerprint(attachments: Iterable[Attachment]) -> str:
    """Tells one state of a volume's attachments from another."""
    lines = sorted(f"{attachment.metadata.uid}={attach_status(attachment)}" for attachment in attachments)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
