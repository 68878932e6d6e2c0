"""Facts as a reconcile would gather them, with everything a test does not speak of as in the ordinary case."""

from typing import Any

from fairlead_crds.conditions import ADMITTED, COMPLETED, EXPORTED, Reason, is_true
from fairlead_crds.kinds import AccessMode, Attachment, AttachmentStatus, ConnectionStatus, Session, Volume
from fairlead_operator.core import steps
from fairlead_operator.core.attachment import AttachmentFacts, Done, decide
from fairlead_operator.core.exports import ExportState
from unit.model.objects import BACKEND, NOW, attachment, condition, holder, volume

CONNECTOR = {"initiator": "n1", "host": "h1"}
MOVED = {"initiator": "n2", "host": "h2"}
HELD_BY_OTHER = volume(held_by=[holder("other")])
CONNECTION = ConnectionStatus(driver_volume_type="t", data={"target": "h-a"})


def export(initiator: str | None = "n1", *, sessions: tuple[str, ...] = (), **changes: Any) -> ExportState:
    """The export of Volume `v` to that initiator, in order unless said otherwise."""
    fields = {"volume_handle": "h-v", "access_mode": AccessMode.READ_WRITE, "complete": True, **changes}
    connected = tuple(Session(initiator=name, address="somewhere") for name in sessions)
    return ExportState(initiator=initiator, sessions=connected, **fields)


def facts(item: Attachment | None = None, of: Volume | None = None, /, **changes: Any) -> AttachmentFacts:
    """An Attachment of a free Volume, with a connector unless said otherwise."""
    item = item or attachment(connector=CONNECTOR)
    connector = item.spec.connector or None
    given = {
        "connector": connector,
        "initiator": connector["initiator"] if connector and "initiator" in connector else None,
        "key_id": "key",
        "now": NOW,
        **changes,
    }
    return AttachmentFacts(attachment=item, volume=of, backend=BACKEND, **given)


def held() -> Volume:
    """The Volume `v`, held by the Attachment `a`."""
    return volume(held_by=[holder("a")])


def settled(item: Attachment | None = None, *, now: Any = NOW, **changes: Any) -> Attachment:
    """An Attachment whose status says that all is done, as the core itself writes it."""
    item = item or attachment(connector=CONNECTOR)
    situation = facts(item, held(), now=now, **changes)
    if situation.connector:
        situation = facts(item, held(), now=now, export=export(), done=Done(connection=CONNECTION), **changes)
    step = decide(situation)
    assert isinstance(step, steps.WriteAttachmentStatus), step
    return item.model_copy(update={"status": step.status})


def status_of(step: steps.AttachmentStep) -> AttachmentStatus:
    """The status that a step writes."""
    assert isinstance(step, steps.WriteAttachmentStatus), step
    return step.status


def reasons(status: AttachmentStatus) -> dict[str, tuple[bool, str]]:
    """Each condition: whether it holds, and its reason."""
    return {c.type: (is_true(status.conditions, c.type), c.reason) for c in status.conditions}


def waiting(name: str = "a", *, on: str = "uid-v", reason: Reason = Reason.VOLUME_IN_USE, **spec: Any) -> Attachment:
    """An Attachment that has been told to wait."""
    told = AttachmentStatus(
        volume_uid=on,
        conditions=(condition(ADMITTED, False, reason), condition(EXPORTED, False, Reason.NOT_ADMITTED)),
    )
    return attachment(name, status=told, **{"connector": CONNECTOR, **spec})


__all__ = ["ADMITTED", "COMPLETED", "EXPORTED"]
