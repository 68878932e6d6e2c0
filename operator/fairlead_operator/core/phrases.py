"""How an Attachment's status phrases what is seen: conditions in a fixed order, one write when anything changed."""

import math
from typing import Any

from fairlead_crds.conditions import ADMITTED, COMPLETED, EXPORTED, Condition, ConditionStatus, Reason, find
from fairlead_crds.kinds import AttachmentPhase, AttachmentStatus
from fairlead_operator.core import status, steps
from fairlead_operator.core.facts import AttachmentFacts, Failure
from fairlead_operator.core.retries import LONGEST_PAUSE, pause_after


def unready(facts: AttachmentFacts) -> Failure:
    """Phrase that the Backend cannot be used at present."""
    return Failure(reason=Reason.BACKEND_NOT_READY, message=facts.unready or "")


def failing(facts: AttachmentFacts, phase: AttachmentPhase, failure: Failure | None = None) -> steps.AttachmentStep:
    """Say what went wrong, once, and come back."""
    failure = failure or facts.failure
    assert failure is not None
    # What was exported, or is, may be so still: nobody must count on access, nor on its end.
    was = is_known(facts) and not is_denied(facts)
    holds = None if facts.export is not None or was or may_be_unseen(facts) else False
    exported = condition(facts, EXPORTED, holds, failure.reason, f"{failure.message} ({told_tries(failure.tries)})")
    return write(
        facts, conditions(facts, exported), phase, failure.reason, retry=True, event=failure.reason
    ) or steps.Wait(retry=True)


def is_known(facts: AttachmentFacts) -> bool:
    """Whether the status says anything of an export."""
    return find(facts.attachment.status.conditions, EXPORTED) is not None


def is_denied(facts: AttachmentFacts) -> bool:
    """Whether the status says that nothing is exported."""
    told = find(facts.attachment.status.conditions, EXPORTED)
    return told is not None and told.status is ConditionStatus.FALSE


def may_be_unseen(facts: AttachmentFacts) -> bool:
    """Whether an export may be live that this process has not seen.

    While the Backend does not answer, none in sight proves nothing: only a status that denies it does. A new
    Attachment has no status, but neither has one that was restored from a backup.
    """
    return facts.unready is not None and not facts.done.unexported and not is_denied(facts)


def told_tries(tries: int) -> str:
    """Say how often something was tried and when it will be again.

    In steps of powers of two: the text changes, and so is written, a few times in all and not once a try.
    """
    at_least = 1 << (max(tries, 1).bit_length() - 1)
    longest = min(LONGEST_PAUSE, pause_after(2 * at_least - 1))
    often = "tried once" if at_least == 1 else f"tried {at_least} times or more"
    return f"{often}, again within {math.ceil(longest)} s"


def completion(facts: AttachmentFacts) -> Condition:
    """Phrase whether the node says that it has connected."""
    if facts.attachment.spec.completed:
        return condition(facts, COMPLETED, True, Reason.COMPLETED, "the node says that it has connected")
    return condition(facts, COMPLETED, False, Reason.NOT_COMPLETED, "the node has not said that it has connected")


def condition(facts: AttachmentFacts, type_: str, holds: bool | None, reason: Reason, message: str) -> Condition:
    """Return a condition of the Attachment; its transition time stays as long as its status does."""
    meta = facts.attachment.metadata
    return status.condition(
        facts.attachment.status.conditions, type_, holds, reason, message, generation=meta.generation, now=facts.now
    )


def conditions(facts: AttachmentFacts, *new: Condition) -> tuple[Condition, ...]:
    """The Attachment's conditions with the new ones in place, in a fixed order."""
    merged = {c.type: c for c in facts.attachment.status.conditions} | {c.type: c for c in new}
    order = [ADMITTED, EXPORTED, COMPLETED]
    return tuple(sorted(merged.values(), key=lambda c: (order.index(c.type) if c.type in order else 9, c.type)))


def write(
    facts: AttachmentFacts,
    conditions: tuple[Condition, ...],
    phase: AttachmentPhase,
    reason: Reason,
    *,
    retry: bool = False,
    event: Reason | None = None,
    **changes: Any,
) -> steps.WriteAttachmentStatus | None:
    """Return the step that writes this status; None when it stands there already."""
    wanted: AttachmentStatus = status.enter(
        facts.attachment, phase, reason, facts.now, conditions=conditions, **changes
    )
    if wanted == facts.attachment.status:
        return None
    return steps.WriteAttachmentStatus(wanted, retry=retry, event=event)
