"""What an Attachment that is being deleted needs next."""

from datetime import timedelta

from fairlead_crds.conditions import EXPORTED, Reason
from fairlead_crds.kinds import AttachmentPhase, DetachPolicy
from fairlead_operator.core import ledger, phrases, steps
from fairlead_operator.core.facts import AttachmentFacts


def detach(facts: AttachmentFacts) -> steps.AttachmentStep:
    """Unexport, prove, ledger out, finalizer out; in no other order.

    An Attachment that is not in the ledger is unexported all the same: after a crash that proves nothing.
    """
    attachment = facts.attachment
    if not attachment.guarded:
        return steps.Wait()
    if facts.failure is not None:
        return phrases.failing(facts, AttachmentPhase.DETACHING)
    if not facts.done.unexported:
        if facts.unready is not None:
            return phrases.failing(facts, AttachmentPhase.DETACHING, phrases.unready(facts))
        polite = attachment.spec.detach_policy is DetachPolicy.WAIT_FOR_LOGOUT
        if polite and facts.export is not None and facts.export.sessions:
            nodes = ", ".join(map(str, facts.export.sessions))
            waiting = f"waiting for {nodes} to log out, as detachPolicy WaitForLogout asks"
            conditions = phrases.conditions(facts, phrases.condition(facts, EXPORTED, True, Reason.DETACHING, waiting))
            step = phrases.write(facts, conditions, AttachmentPhase.DETACHING, Reason.DETACHING, event=Reason.DETACHING)
            return step or steps.Wait(until=facts.now + timedelta(seconds=1))
        return steps.Unexport(attachment.handle, "the Attachment is being deleted")
    if facts.volume is not None and (holder := ledger.holder_of(facts.volume, attachment.metadata.uid)):
        return steps.Release(holder, ledger.without_holder(facts.volume, holder.uid))
    return steps.Finalize()
