"""What a Volume needs next."""

from typing import Any

import pytest

from fairlead_crds.conditions import READY, ConditionStatus, Reason, find
from fairlead_crds.kinds import DeletionPolicy, Holder, Volume, VolumePhase, VolumeSource, VolumeStatus
from fairlead_operator.core import steps
from fairlead_operator.core.attachment import Failure
from fairlead_operator.core.volume import VolumeFacts, decide
from unit.model.objects import BACKEND, GIB, NOW, holder, metadata, volume

NEW = volume(ready=False)
ADOPTING = volume(ready=False, source=VolumeSource(handle="old"))
FULL = Failure(reason=Reason.OUT_OF_SPACE, message="full")


def facts(item: Volume, **changes: Any) -> VolumeFacts:
    return VolumeFacts(**{"volume": item, "backend": BACKEND, "now": NOW, **changes})


def status_of(step: steps.VolumeStep) -> VolumeStatus:
    assert isinstance(step, steps.WriteVolumeStatus), step
    return step.status


def ready_of(step: steps.VolumeStep) -> tuple[ConditionStatus, str]:
    ready = find(status_of(step).conditions, READY)
    assert ready is not None
    return ready.status, ready.reason


def grown(to: str) -> Volume:
    item = volume()
    return item.model_copy(update={"spec": item.spec.model_copy(update={"size": to})})


def going(*, held_by: tuple[Holder, ...] = (), ready: bool = True, labelled: bool = True, **spec: Any) -> Volume:
    meta = metadata("v", deleting=True) if labelled else metadata("v", deleting=True, labels={})
    return volume(meta=meta, held_by=held_by, ready=ready, **spec)


# --- provisioning ----------------------------------------------------------------------------------------------------


def test_nothing_is_made_before_it_is_adopted() -> None:
    assert decide(facts(volume(ready=False, meta=metadata("v", adopted=False)))) == steps.Adopt()


def test_what_may_not_live_there_is_told_and_not_adopted() -> None:
    refusal = Failure(reason=Reason.NAMESPACE_NOT_ALLOWED, message="no")
    step = decide(facts(volume(ready=False, meta=metadata("v", adopted=False)), refusal=refusal))
    assert ready_of(step) == (ConditionStatus.FALSE, Reason.NAMESPACE_NOT_ALLOWED)


def test_what_lives_there_already_stays_when_it_may_not_any_more() -> None:
    refusal = Failure(reason=Reason.NAMESPACE_NOT_ALLOWED, message="no")
    assert decide(facts(volume(), refusal=refusal)) != steps.Adopt()


@pytest.mark.parametrize(("item", "step"), [(NEW, steps.CreateVolume()), (ADOPTING, steps.FindVolume())])
def test_a_new_one_is_made_and_a_source_is_looked_for(item: Volume, step: steps.VolumeStep) -> None:
    """Matrix: without and with a source."""
    assert decide(facts(item)) == step


def test_what_the_backend_made_is_written_down() -> None:
    status = status_of(decide(facts(NEW, size=GIB)))
    assert (status.phase, status.capacity, status.handle) == (VolumePhase.AVAILABLE, GIB, "h-v")


def test_over_what_is_in_order_nothing_is_written() -> None:
    item = volume()
    item = item.model_copy(update={"status": status_of(decide(facts(item)))})
    assert decide(facts(item)) == steps.Wait()


@pytest.mark.parametrize(
    ("size", "grows"), [("1Gi", False), ("2Gi", True), ("1073741825", True), ("512Mi", False), ("1", False)]
)
def test_it_grows_and_never_shrinks(size: str, grows: bool) -> None:
    """Matrix: the same, larger, larger by a byte, smaller."""
    assert (decide(facts(grown(size))) == steps.ExtendVolume()) is grows


def test_a_source_that_is_too_small_grows() -> None:
    assert decide(facts(ADOPTING, size=GIB // 2)) == steps.ExtendVolume()


def test_a_source_that_is_not_there_is_told() -> None:
    assert ready_of(decide(facts(ADOPTING, absent=True))) == (ConditionStatus.FALSE, Reason.SOURCE_NOT_FOUND)


def test_data_that_are_gone_are_never_made_anew() -> None:
    step = decide(facts(volume(), absent=True))
    assert ready_of(step) == (ConditionStatus.FALSE, Reason.VOLUME_LOST)


def test_a_failed_creation_is_told_and_tried_again() -> None:
    step = decide(facts(NEW, failure=FULL))
    assert isinstance(step, steps.WriteVolumeStatus)
    assert (ready_of(step), step.retry) == ((ConditionStatus.FALSE, Reason.OUT_OF_SPACE), True)


@pytest.mark.parametrize("trouble", [{"failure": FULL}, {"unready": "it hangs"}])
def test_a_volume_that_cannot_grow_is_usable_at_its_old_size(trouble: dict[str, Any]) -> None:
    """Matrix: the growth failed, or cannot be tried."""
    step = decide(facts(grown("2Gi"), **trouble))
    assert (ready_of(step)[0], status_of(step).capacity) == (ConditionStatus.TRUE, GIB)


# --- deletion --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", list(DeletionPolicy))
@pytest.mark.parametrize("deleted", [True, False])
def test_a_held_volume_stays_and_says_who_holds_it(policy: DeletionPolicy, deleted: bool) -> None:
    """Matrix: deletionPolicy x whether its data are gone; the ledger comes first."""
    step = decide(facts(going(held_by=(holder("a"),), deletion_policy=policy), deleted=deleted))
    assert ready_of(step) == (ConditionStatus.FALSE, Reason.HELD)
    ready = find(status_of(step).conditions, READY)
    assert ready is not None
    assert "Attachment a" in ready.message


@pytest.mark.parametrize(
    ("item", "step"),
    [
        (going(), steps.DeleteVolume()),
        (going(ready=False), steps.DeleteVolume()),
        (going(ready=False, labelled=False), steps.DeleteVolume()),
        (going(deletion_policy="Retain"), steps.Finalize()),
        (going(source=VolumeSource(handle="old")), steps.DeleteVolume()),
        (going(source=VolumeSource(handle="old"), ready=False), steps.Finalize()),
    ],
    ids=["made", "perhaps made", "label torn off", "retained", "adopted", "source never found"],
)
def test_data_are_deleted_when_they_are_ours_to_delete(item: Volume, step: steps.VolumeStep) -> None:
    """Matrix: deletionPolicy x where the data came from x whether it was ever ready, and labelled."""
    assert decide(facts(item)) == step


def test_it_is_let_go_when_its_data_are_gone() -> None:
    assert decide(facts(going(), deleted=True)) == steps.Finalize()


@pytest.mark.parametrize("policy", list(DeletionPolicy))
@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"failure": FULL}, Reason.OUT_OF_SPACE),
        ({"unready": "it hangs"}, Reason.BACKEND_NOT_READY),
        ({"exported": True}, Reason.HELD),
    ],
    ids=["failed", "does not answer", "exported"],
)
def test_an_empty_ledger_alone_lets_nothing_go(policy: DeletionPolicy, trouble: dict[str, Any], reason: Reason) -> None:
    """Matrix: deletionPolicy x what speaks against it. The ledger may be empty because a backup has none."""
    step = decide(facts(going(deletion_policy=policy), **trouble))
    assert isinstance(step, steps.WriteVolumeStatus)
    assert (ready_of(step)[1], step.retry) == (reason, True)


def test_without_our_finalizer_there_is_nothing_to_do() -> None:
    item = volume(meta=metadata("v", deleting=True, finalizers=("another/finalizer",)))
    assert decide(facts(item)) == steps.Wait()


# --- holders that vanished -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("item", [volume(held_by=[holder("a")]), going(held_by=(holder("a"),))], ids=["stays", "goes"])
def test_a_vanished_holder_is_cut_off_and_then_released(item: Volume) -> None:
    """Matrix: whether the volume is being deleted. Somebody tore the finalizer off the Attachment."""
    gone = (holder("a"),)
    first = decide(facts(item, vanished=gone))
    second = decide(facts(item, vanished=gone, unexported=frozenset({"uid-a"})))
    assert isinstance(first, steps.Unexport)
    assert isinstance(second, steps.Release)
    assert (first.handle, second.status.attachments) == ("h-a", ())


@pytest.mark.parametrize("item", [volume(held_by=[holder("a")]), going(held_by=(holder("a"),))], ids=["stays", "goes"])
def test_a_vanished_holder_that_cannot_be_cut_off_is_tried_again_and_told(item: Volume) -> None:
    """Matrix: whether the volume is being deleted. Nothing else would ever come back to it."""
    trouble = {"vanished": (holder("a"),), "failure": FULL}
    first = decide(facts(item, **trouble))
    assert isinstance(first, steps.WriteVolumeStatus)
    assert first.retry
    assert first.status.attachments == (holder("a"),)
    again = item.model_copy(update={"status": first.status})
    assert decide(facts(again, **trouble)) == steps.Wait(retry=True)


def test_a_vanished_holder_waits_for_the_backend() -> None:
    step = decide(facts(volume(held_by=[holder("a")]), vanished=(holder("a"),), unready="it hangs"))
    assert not isinstance(step, steps.Unexport | steps.Release)
