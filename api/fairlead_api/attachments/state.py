"""What an Attachment's spec and status mean in the Block Storage API's terms. Pure."""

import enum
from typing import Final

from fairlead_crds import conditions, names
from fairlead_crds.conditions import Condition, Reason
from fairlead_crds.kinds import AccessMode, Attachment, AttachmentPhase

READ_ONLY: Final = "ro"
READ_WRITE: Final = "rw"
NO_MODE: Final = "null"
"""What attach_mode says when no mode was given: these four letters, not JSON's null. Clients depend on it."""

NO_DEVICE: Final = "na"
"""The mountpoint of an attachment whose connector names none."""


ANNOTATION_INSTANCE: Final = f"{names.GROUP}/rest-instance-id"
"""The instance that os-attach named after the export was made, when the spec's own field can no longer be set."""

ANNOTATION_COMPLETED: Final = f"{names.GROUP}/rest-completed-at"
"""When REST completed it, by the facade's clock: the operator's comes later, perhaps after the next event."""

ANNOTATION_MOUNTPOINT: Final = f"{names.GROUP}/rest-mountpoint"
"""The device that os-attach named."""


class AttachStatus(enum.StrEnum):
    """The attachment's own status. Alphabetical order is the order of precedence on a volume."""

    ATTACHED = "attached"
    ATTACHING = "attaching"
    RESERVED = "reserved"


def is_admitted(attachment: Attachment) -> bool:
    """Whether the operator has admitted it. Before, and when it was refused, REST does not show it."""
    return conditions.is_true(attachment.status.conditions, conditions.ADMITTED)


def is_exported(attachment: Attachment) -> bool:
    """Whether the backend exports the volume to its node."""
    return conditions.is_true(attachment.status.conditions, conditions.EXPORTED)


def attach_status(attachment: Attachment) -> AttachStatus:
    """The attachment's status. Completing is the caller's word and needs no export: the real service checks nothing."""
    if attachment.spec.completed:
        return AttachStatus.ATTACHED
    return AttachStatus.ATTACHING if is_exported(attachment) else AttachStatus.RESERVED


def attach_mode(attachment: Attachment) -> str:
    """The text that attach_mode shows: what was asked for, else what the operator put in force.

    An attachment made with a connector in one step that says nothing of a mode shows `null`, as in the real service;
    the facade's update writes the mode it settles on into the spec, so there it shows.
    """
    spec = attachment.spec
    if spec.access_mode is not None:
        return mode_text(spec.access_mode)
    mode = connector_text(attachment, "mode")
    if mode is not None:
        return mode
    if spec.write_secret and attachment.status.access_mode is not None:
        # Made by kubectl: what is in force is all there is to say.
        return mode_text(attachment.status.access_mode)
    return NO_MODE


def mode_text(mode: AccessMode) -> str:
    """`ro` or `rw`."""
    return READ_ONLY if mode is AccessMode.READ_ONLY else READ_WRITE


def connector_text(attachment: Attachment, key: str) -> str | None:
    """A connector's value, when it is a text with something in it."""
    value = (attachment.spec.connector or {}).get(key)
    return value if isinstance(value, str) and value else None


def host(attachment: Attachment) -> str | None:
    """The node's host name."""
    return connector_text(attachment, "host") or attachment.status.host


def instance(attachment: Attachment) -> str | None:
    """The instance it serves."""
    return attachment.spec.instance_id or attachment.metadata.annotations.get(ANNOTATION_INSTANCE)


def device(attachment: Attachment) -> str | None:
    """Where the volume is in the node; None when nobody ever said, `na` when the connector did not."""
    named = attachment.metadata.annotations.get(ANNOTATION_MOUNTPOINT) or connector_text(attachment, "mountpoint")
    return named or (None if attachment.spec.connector is None else NO_DEVICE)


class Verdict(enum.Enum):
    """How the operator has answered a request."""

    DONE = enum.auto()
    REFUSED = enum.auto()
    INCOMPLETE = enum.auto()
    FAILED = enum.auto()
    GONE = enum.auto()


_BACKEND_FAILURES: Final = frozenset(
    {Reason.DRIVER_ERROR, Reason.DRIVER_UNAVAILABLE, Reason.OUT_OF_SPACE, Reason.VOLUME_LOST}
)


def verdict(attachment: Attachment | None, *, uid: str, generation: int, connect: bool) -> Verdict | None:
    """Judge whether the operator has answered; None: not yet.

    Args:
        attachment: the newest known version.
        uid: the object that was written; another of its name does not count.
        generation: the generation that was written; a status that speaks of an older one is not an answer.
        connect: whether an export was asked for, not only a reservation.
    """
    if attachment is None or attachment.metadata.uid != uid or attachment.deleting:
        return Verdict.GONE
    status = attachment.status
    if status.observed_generation < generation:
        return None
    if status.phase is AttachmentPhase.REJECTED:
        return Verdict.REFUSED
    exported = conditions.find(status.conditions, conditions.EXPORTED)
    if connect:
        if exported is not None and exported.reason == Reason.INCOMPLETE_CONNECTOR:
            return Verdict.INCOMPLETE
        if exported is not None and exported.reason in _BACKEND_FAILURES:
            return Verdict.FAILED
    # Unknown is neither: the node may have access still.
    wanted = conditions.ConditionStatus.TRUE if connect else conditions.ConditionStatus.FALSE
    return Verdict.DONE if is_admitted(attachment) and exported is not None and exported.status is wanted else None


def detached(attachment: Attachment | None, *, uid: str) -> Verdict | None:
    """Judge whether a deletion has come to its end; None: not yet."""
    if attachment is None or attachment.metadata.uid != uid:
        return Verdict.DONE
    exported = conditions.find(attachment.status.conditions, conditions.EXPORTED)
    if (
        attachment.status.phase is AttachmentPhase.DETACHING
        and exported is not None
        and exported.reason in _BACKEND_FAILURES
    ):
        return Verdict.FAILED
    return None


def explanation(attachment: Attachment | None) -> str:
    """What the operator says of an attachment that is not as it was asked to be."""
    if attachment is None:
        return ""
    return next((c.message for c in _telling(attachment) if c.message), "")


def blocking_reason(attachment: Attachment | None) -> str:
    """The operator's one-word reason."""
    if attachment is None:
        return ""
    return next((c.reason for c in _telling(attachment)), "")


def _telling(attachment: Attachment) -> list[Condition]:
    """The conditions that do not hold, the earliest step first."""
    found = (
        conditions.find(attachment.status.conditions, type_) for type_ in (conditions.ADMITTED, conditions.EXPORTED)
    )
    return [c for c in found if c is not None and c.status is not conditions.ConditionStatus.TRUE]
