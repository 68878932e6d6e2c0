"""The guard of OSSA-2023-003: what a node uses is not cut off by whoever may delete an attachment.

Otherwise a user could detach a volume behind the instance's back, the backend would give the same export to somebody
else's volume, and the instance would read and write that. Fairlead never uses a target name twice, so only the first
half of that is possible here, and that is bad enough: the guest loses what it has in flight.
"""

from fairlead_api.attachments.state import instance
from fairlead_api.identity.caller import Caller
from fairlead_api.protocol.faults import Conflict
from fairlead_crds.kinds import Attachment, AttachmentPhase

_IN_USE = (AttachmentPhase.EXPORTED, AttachmentPhase.COMPLETED)


def check_detach(caller: Caller, attachment: Attachment) -> None:
    """Whether a caller may take an attachment's export away.

    By Keystone's roles: a service may (Nova, with its service token), and anybody when no instance is named or nothing
    is connected. An empty list of sessions is no proof that none is live, since nobody promises to keep it up to date;
    so it permits nothing. By Kubernetes' rights: exactly as the admission policy for kubectl has it, whoever may
    `force-detach`, else nobody while there is an export.

    Raises:
        Conflict: it may not.
    """
    if caller.service:
        return
    if caller.strict_guard:
        if attachment.status.phase in _IN_USE and not attachment.deleting:
            raise _in_use(attachment)
        return
    if instance(attachment) and attachment.status.connection_info is not None:
        raise _used_by_instance(attachment)


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


def _used_by_instance(attachment: Attachment) -> Conflict:
    return Conflict(
        f"ConflictNovaUsingAttachment: Detach volume from instance {instance(attachment)} using the Compute API"
    )
