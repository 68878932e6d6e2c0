"""What a Volume needs next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fairlead_crds.conditions import READY, Condition, Reason, is_true
from fairlead_crds.kinds import DeletionPolicy, Holder, Volume, VolumePhase
from fairlead_operator.core import ledger, status, steps
from fairlead_operator.core.attachment import Failure, is_adopted


@dataclass(frozen=True, kw_only=True)
class VolumeFacts:
    """All that the decision rests on.

    Attributes:
        volume: as last seen.
        backend: the Backend in charge.
        refusal: why it may not live there (namespace, handle taken); None: it may.
        vanished: holders whose Attachment is gone, as a live read says.
        unexported: uids among them whose export is proven gone.
        size: bytes on the backend; None: unknown.
        absent: a look at the backend found nothing.
        deleted: its data are gone, as the driver says.
        exported: the backend shows an export of it.
        unready: why the Backend cannot be used at present.
        failure: of the effect just tried.
        now: the time.
    """

    volume: Volume
    backend: str
    refusal: Failure | None = None
    vanished: Sequence[Holder] = ()
    unexported: frozenset[str] = frozenset()
    size: int | None = None
    absent: bool = False
    deleted: bool = False
    exported: bool = False
    unready: str | None = None
    failure: Failure | None = None
    now: datetime


def decide(facts: VolumeFacts) -> steps.VolumeStep:
    """Return the next step for a Volume."""
    volume = facts.volume
    if facts.vanished and facts.unready is None:
        holder = facts.vanished[0]
        if facts.failure is not None:
            return _cannot_free(facts, holder, facts.failure)
        if holder.uid not in facts.unexported:
            return steps.Unexport(holder.handle, f"its Attachment {holder.name!r} is gone")
        return steps.Release(holder, ledger.without_holder(volume, holder.uid))
    if volume.deleting:
        return _delete(facts)
    if not is_adopted(volume):
        if facts.refusal is not None:
            return _not_ready(facts, VolumePhase.PENDING, facts.refusal)
        return steps.Adopt()
    return _provision(facts)


def _delete(facts: VolumeFacts) -> steps.VolumeStep:
    volume = facts.volume
    if not volume.guarded:
        return steps.Wait()
    if volume.status.attachments:
        held = f"held by {ledger.describe(volume.status.attachments)}; delete those first"
        return _not_ready(facts, VolumePhase.DELETING, Failure(reason=Reason.HELD, message=held), retry=False)
    if facts.failure is not None:
        return _not_ready(facts, VolumePhase.DELETING, facts.failure)
    # An empty ledger proves that nobody has it, unless the ledger was lost: so the backend must agree.
    if facts.unready is not None:
        return _not_ready(facts, VolumePhase.DELETING, Failure(reason=Reason.BACKEND_NOT_READY, message=facts.unready))
    if facts.exported:
        live = "exported, though its ledger names nobody; waits for the Attachment to be cut off"
        return _not_ready(facts, VolumePhase.DELETING, Failure(reason=Reason.HELD, message=live))
    # Our finalizer alone tells that it was adopted: whoever tore the label off must not leave its data behind.
    keep = volume.spec.deletion_policy is DeletionPolicy.RETAIN or not _made(volume)
    if keep or facts.deleted:
        return steps.Finalize()
    return steps.DeleteVolume()


def _cannot_free(facts: VolumeFacts, holder: Holder, failure: Failure) -> steps.VolumeStep:
    """Say which holder is gone and still has access, and come back."""
    before = facts.volume.status
    why = f"Attachment {holder.name!r} is gone and could not be cut off: {failure.message}"
    ready = _condition(facts, is_true(before.conditions, READY), failure.reason, why)
    phase = VolumePhase.DELETING if facts.volume.deleting else before.phase
    return _write(facts, phase, ready, retry=True, event=failure.reason) or steps.Wait(retry=True)


def _made(volume: Volume) -> bool:
    """Whether its data may be ours to delete: all but a source that was never found."""
    return volume.spec.source is None or volume.status.capacity is not None


def _provision(facts: VolumeFacts) -> steps.VolumeStep:
    volume = facts.volume
    wanted = volume.spec.size_bytes
    have = facts.size or volume.status.capacity
    if facts.absent:
        if volume.spec.source is not None and volume.status.capacity is None:
            missing = f"the backend has no volume with handle {volume.handle!r}"
            return _not_ready(facts, VolumePhase.FAILED, Failure(reason=Reason.SOURCE_NOT_FOUND, message=missing))
        if volume.status.capacity is not None:
            lost = "its data are gone from the backend; restore them there, or delete the Volume"
            return _not_ready(facts, VolumePhase.FAILED, Failure(reason=Reason.VOLUME_LOST, message=lost), event=True)
    if facts.failure is not None:
        # A failed growth leaves a volume that can still be used at its old size.
        if have is not None:
            return _ready(facts, have, facts.failure)
        return _not_ready(facts, VolumePhase.FAILED, facts.failure, event=True)
    if have is None or have < wanted:
        if facts.unready is not None:
            why = Failure(reason=Reason.BACKEND_NOT_READY, message=facts.unready)
            return _not_ready(facts, VolumePhase.PENDING, why) if have is None else _ready(facts, have, why)
        if have is None:
            return steps.FindVolume() if volume.spec.source is not None else steps.CreateVolume()
        return steps.ExtendVolume()
    return _ready(facts, have, None)


def _ready(facts: VolumeFacts, size: int, growth: Failure | None) -> steps.VolumeStep:
    volume = facts.volume
    phase = VolumePhase.HELD if volume.status.attachments else VolumePhase.AVAILABLE
    if growth is not None:
        ready = _condition(facts, True, growth.reason, f"usable at {size} bytes; growing failed: {growth.message}")
    else:
        ready = _condition(facts, True, Reason.PROVISIONED, f"{size} bytes on Backend {facts.backend!r}")
    step = _write(
        facts,
        phase,
        ready,
        retry=growth is not None,
        event=growth.reason if growth else None,
        capacity=size,
        backend_name=facts.backend,
        handle=volume.handle,
    )
    return step or steps.Wait(retry=growth is not None)


def _not_ready(
    facts: VolumeFacts, phase: VolumePhase, why: Failure, *, retry: bool = True, event: bool = False
) -> steps.VolumeStep:
    ready = _condition(facts, False, why.reason, why.message)
    step = _write(facts, phase, ready, retry=retry, event=why.reason if event else None)
    return step or steps.Wait(retry=retry)


def _condition(facts: VolumeFacts, holds: bool, reason: Reason, message: str) -> Condition:
    volume = facts.volume
    return status.condition(
        volume.status.conditions, READY, holds, reason, message, generation=volume.metadata.generation, now=facts.now
    )


def _write(
    facts: VolumeFacts,
    phase: VolumePhase,
    ready: Condition,
    *,
    retry: bool,
    event: Reason | None,
    **changes: Any,
) -> steps.WriteVolumeStatus | None:
    volume = facts.volume
    others = tuple(c for c in volume.status.conditions if c.type != READY)
    wanted = volume.status.model_copy(
        update={
            "phase": phase,
            "conditions": (ready, *others),
            "observed_generation": volume.metadata.generation,
            **changes,
        }
    )
    if wanted == volume.status:
        return None
    return steps.WriteVolumeStatus(wanted, retry=retry, event=event)
