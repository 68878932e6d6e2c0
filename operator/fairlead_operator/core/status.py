"""How what is seen is phrased: conditions with transition times, phases, a short history."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from fairlead_crds.conditions import Condition, ConditionStatus, Reason, find
from fairlead_crds.kinds import Attachment, AttachmentPhase, AttachmentStatus, HistoryEntry

HISTORY = 10
_MESSAGE = 1024


def condition(
    before: Iterable[Condition],
    type_: str,
    holds: bool | None,
    reason: Reason,
    message: str,
    *,
    generation: int,
    now: datetime,
) -> Condition:
    """Return a condition that keeps its transition time as long as its status stays.

    Args:
        before: the object's conditions until now.
        type_: which one.
        holds: whether it does; None: unknown.
        reason: one word from the closed list.
        message: for a person.
        generation: metadata.generation it speaks of.
        now: the time.
    """
    status = {True: ConditionStatus.TRUE, False: ConditionStatus.FALSE, None: ConditionStatus.UNKNOWN}[holds]
    old = find(before, type_)
    since = old.last_transition_time if old is not None and old.status is status else now
    return Condition(
        type=type_,
        status=status,
        reason=reason,
        message=message[:_MESSAGE],
        last_transition_time=since,
        observed_generation=generation,
    )


def enter(
    attachment: Attachment, phase: AttachmentPhase, reason: Reason, now: datetime, **changes: Any
) -> AttachmentStatus:
    """Return the Attachment's status in `phase` with `changes`, its history extended when the phase is new."""
    before = attachment.status
    history = before.history
    if not history or history[-1].phase is not phase:
        history = (*history, HistoryEntry(at=now, phase=phase, reason=reason))[-HISTORY:]
    return before.model_copy(
        update={
            "phase": phase,
            "history": history,
            "observed_generation": attachment.metadata.generation,
            **changes,
        }
    )
