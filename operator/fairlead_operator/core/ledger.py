"""The ledger of a volume and the safety rule: who may hold it, beside whom.

The rule: a volume is reachable from one node only, unless it is multi-attach, or all its attachments belong to one
instance (live migration). It is applied nowhere but here, on the volume version that the write then demands unchanged.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import AccessMode, Attachment, Holder, Volume, VolumePhase, VolumeStatus
from fairlead_crds.names import ANNOTATION_CREATED

CAPACITY = 64
"""Most holders a ledger can list (the CRD bounds it)."""


def holder_of(volume: Volume, uid: str) -> Holder | None:
    """Return the ledger entry of the Attachment with that uid."""
    return next((h for h in volume.status.attachments if h.uid == uid), None)


def in_the_way(volume: Volume, attachment: Attachment) -> Sequence[Holder]:
    """Return the holders beside whom the Attachment may not hold the volume; none: it may."""
    others = [h for h in volume.status.attachments if h.uid != attachment.metadata.uid]
    if volume.spec.multi_attach:
        return others if len(others) >= CAPACITY else ()
    instance = attachment.spec.instance_id
    if instance and len(others) < CAPACITY and all(h.instance_id == instance for h in others):
        return ()
    return others


def with_holder(volume: Volume, attachment: Attachment, mode: AccessMode, now: datetime) -> VolumeStatus:
    """Return the volume's status with the Attachment in its ledger."""
    entry = Holder(
        uid=attachment.metadata.uid,
        name=attachment.metadata.name,
        handle=attachment.handle,
        instance_id=attachment.spec.instance_id,
        access_mode=mode,
        since=now,
    )
    return _rewritten(volume, (*volume.status.attachments, entry))


def without_holder(volume: Volume, uid: str) -> VolumeStatus:
    """Return the volume's status without that holder."""
    return _rewritten(volume, tuple(h for h in volume.status.attachments if h.uid != uid))


def _rewritten(volume: Volume, holders: tuple[Holder, ...]) -> VolumeStatus:
    phase = volume.status.phase
    if phase in (VolumePhase.AVAILABLE, VolumePhase.HELD):
        phase = VolumePhase.HELD if holders else VolumePhase.AVAILABLE
    return volume.status.model_copy(update={"attachments": holders, "phase": phase})


def describe(holders: Iterable[Holder]) -> str:
    """Name holders for a message."""
    return ", ".join(
        f"Attachment {h.name}" + (f" of instance {h.instance_id}" if h.instance_id else "") for h in holders
    )


def seniority(attachment: Attachment) -> tuple[str, str]:
    """Sort key of waiters: first come, first served.

    The facade writes creation with microseconds; kubectl's creationTimestamp has seconds only; uid breaks ties.
    """
    created = attachment.metadata.annotations.get(ANNOTATION_CREATED)
    if created is None and attachment.metadata.creation_timestamp is not None:
        created = attachment.metadata.creation_timestamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return created or "", attachment.metadata.uid


def is_waiting(attachment: Attachment) -> bool:
    """Whether it has been told to wait for its volume, and still wants it."""
    admitted = next((c for c in attachment.status.conditions if c.type == "Admitted"), None)
    return (
        not attachment.deleting
        and admitted is not None
        and admitted.status == "False"
        and admitted.reason == Reason.VOLUME_IN_USE
        and attachment.status.rejected_at is None
    )


def ahead_in_line(volume: Volume, attachment: Attachment, peers: Iterable[Attachment]) -> Attachment | None:
    """Return a waiter that must be admitted before this Attachment, if there is one.

    Only who could be admitted now counts: a migration's second attachment passes waiters that its first keeps out.
    """
    waiting = is_waiting(attachment)
    for peer in peers:
        if peer.metadata.uid == attachment.metadata.uid or not is_waiting(peer):
            continue
        if peer.status.volume_uid != volume.metadata.uid or holder_of(volume, peer.metadata.uid):
            continue
        if in_the_way(volume, peer):
            continue
        if not waiting or seniority(peer) < seniority(attachment):
            return peer
    return None
