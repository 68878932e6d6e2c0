"""What an Attachment needs next."""

from datetime import timedelta

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import AttachmentPhase
from fairlead_operator.core import phrases, sessions, steps
from fairlead_operator.core.attach import attach
from fairlead_operator.core.detach import detach
from fairlead_operator.core.facts import AttachmentFacts, Done, Failure, Seen, is_adopted

REJECTED_FOR = timedelta(minutes=10)
"""How long a refused Attachment stays to be read before it is removed."""


def decide(facts: AttachmentFacts) -> steps.AttachmentStep:
    """Return the next step for an Attachment."""
    if facts.attachment.deleting:
        return detach(facts)
    if facts.node_gone is not None:
        # Deleting it is enough: the detach fences the target before anybody else may have the volume.
        return steps.Expire(Reason.NODE_GONE, facts.node_gone)
    if facts.attachment.status.rejected_at is not None:
        return _rejected(facts)
    if not is_adopted(facts.attachment):
        return steps.Adopt()
    step = attach(facts)
    if isinstance(step, steps.Wait) and not step.retry:
        # All is as it should be: only now does it mean anything who is logged in.
        return sessions.answer(facts) or step
    return step


def _rejected(facts: AttachmentFacts) -> steps.AttachmentStep:
    since = facts.attachment.status.rejected_at
    assert since is not None
    if facts.export is not None and not facts.done.unexported:
        return steps.Unexport(facts.attachment.handle, "the Attachment was refused")
    if facts.attachment.status.observed_generation != facts.attachment.metadata.generation:
        # Refused is refused, whatever the spec says by now; but whoever changed it waits for an answer.
        kept = facts.attachment.status.conditions
        if (step := phrases.write(facts, kept, AttachmentPhase.REJECTED, Reason.NOT_ADMITTED)) is not None:
            return step
    end = since + REJECTED_FOR
    if facts.now >= end:
        return steps.Expire(Reason.NOT_ADMITTED, f"refused at {since:%Y-%m-%dT%H:%M:%SZ}; see condition Admitted")
    return steps.Wait(until=end)


__all__ = ["AttachmentFacts", "Done", "Failure", "Seen", "decide", "is_adopted"]
