"""The guard of OSSA-2023-003: what a node uses is not cut off by whoever may delete an attachment.

Otherwise a user could detach a volume behind the instance's back, the backend would give the same export to somebody
else's volume, and the instance would read and write that. Fairlead never uses a target name twice, so only the first
half of that is possible here, and that is bad enough: the guest loses what it has in flight.
"""

from dataclasses import dataclass

from fairlead_api.attachments.state import instance
from fairlead_api.identity.caller import Caller
from fairlead_api.protocol.faults import Conflict
from fairlead_crds.kinds import Attachment, AttachmentPhase, SessionsFound, SessionsLook
from fairlead_crds.names import ANNOTATION_LOOK
from fairlead_kube.store import version_of

_IN_USE = (AttachmentPhase.EXPORTED, AttachmentPhase.COMPLETED)


@dataclass(frozen=True, slots=True)
class Look:
    """A request to the operator to look who is logged in.

    Attributes:
        request: new each time; what the operator answers to.
        version: of the Attachment that carries it.
        limit: seconds that the answer was waited for.
    """

    request: str
    version: int
    limit: float

    def answer(self, attachment: Attachment) -> SessionsLook | None:
        """Return what the operator saw after it was asked; None: it has not answered.

        An answer to a request that has taken this one's place is as good: it was asked for later still. What was there
        before is not, whatever it says, so versions from before the request count for nothing.
        """
        told = attachment.status.sessions_look
        if told is None or version_of(attachment) < self.version:
            return None
        fresh = (self.request, attachment.metadata.annotations.get(ANNOTATION_LOOK))
        return told if told.request in fresh else None


def hinges_on_sessions(caller: Caller, attachment: Attachment) -> bool:
    """Whether a caller may take an attachment's export away only if no session is live."""
    return (
        not caller.service
        and not caller.strict_guard
        and not attachment.deleting
        and bool(instance(attachment))
        and attachment.status.connection_info is not None
    )


def check_detach(caller: Caller, attachment: Attachment, look: Look | None = None) -> None:
    """Whether a caller may take an attachment's export away.

    By Keystone's roles: a service may (Nova, with its service token), and anybody when no instance is named, nothing
    is connected, or the operator, asked for this very purpose, has seen that no session is live. By Kubernetes'
    rights: exactly as the admission policy for kubectl has it, whoever may `force-detach`, else nobody while there is
    an export.

    Args:
        caller: who asks.
        attachment: its newest version.
        look: the operator was asked to look; None: it was not.

    Raises:
        Conflict: it may not.
    """
    if caller.service:
        return
    if caller.strict_guard:
        if attachment.status.phase in _IN_USE and not attachment.deleting:
            raise _in_use(attachment)
        return
    if hinges_on_sessions(caller, attachment) and (why := _not_idle(attachment, look)) is not None:
        raise _used_by_instance(attachment, why)


def _not_idle(attachment: Attachment, look: Look | None) -> str | None:
    """What is missing to know that nobody is logged in; empty: somebody is; None: nothing is missing."""
    told = look.answer(attachment) if look is not None else None
    if told is None:
        return f"its operator did not say so within {look.limit:g} s" if look is not None else "nobody was asked"
    if told.found is SessionsFound.LIVE:
        return ""
    if told.found is SessionsFound.UNKNOWN:
        return told.message
    # The spec, or the node's connector behind its nodeName, may have let somebody in since.
    stands = (
        told.observed_generation == attachment.metadata.generation and told.initiator == attachment.status.initiator
    )
    return None if stands else "it was changed meanwhile"


def check_move(caller: Caller, attachment: Attachment) -> None:
    """Whether a caller may give an attachment another connector, which cuts the present node off.

    Only Kubernetes' rights restrict it, as the admission policy does: what is completed belongs to its instance. With
    Keystone's roles the Block Storage API lets a member do it.

    Raises:
        Conflict: it may not.
    """
    completed = attachment.spec.completed or attachment.status.phase is AttachmentPhase.COMPLETED
    if (
        caller.strict_guard
        and not caller.service
        and completed
        and attachment.spec.instance_id
        and attachment.status.phase in _IN_USE
    ):
        raise _in_use(attachment)


def _in_use(attachment: Attachment) -> Conflict:
    if instance(attachment):
        return _used_by_instance(attachment)
    return Conflict(
        f"Resource conflict: attachment {attachment.id} is in use: its volume is exported to "
        f"{attachment.status.host or 'a node'}. Ask someone who may force-detach attachments in namespace "
        f"{attachment.metadata.namespace}."
    )


def _used_by_instance(attachment: Attachment, unknown: str = "") -> Conflict:
    """The refusal, with what kept us from knowing whether a node is logged in; empty: one is, or it does not matter."""
    said = f". It cannot be told whether the node has logged out: {unknown}" if unknown else ""
    return Conflict(
        f"ConflictNovaUsingAttachment: Detach volume from instance {instance(attachment)} using the Compute API{said}"
    )
