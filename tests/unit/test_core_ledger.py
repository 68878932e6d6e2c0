"""The safety rule, and the order in which waiters get their turn."""

import itertools

import pytest

from fairlead_crds import names
from fairlead_crds.conditions import ADMITTED, Reason
from fairlead_crds.kinds import AccessMode, Attachment, AttachmentStatus, VolumePhase
from fairlead_operator.core import ledger
from unit.model.objects import NOW, attachment, condition, holder, later, metadata, volume

INSTANCES = [None, "i1", "i2"]


def waiter(name: str, *, created: float = 0, instance: str | None = None, **status: object) -> Attachment:
    """An Attachment that has been told to wait for the Volume `v`."""
    told = AttachmentStatus(
        **{
            "conditions": (condition(ADMITTED, False, Reason.VOLUME_IN_USE),),
            "volume_uid": "uid-v",
            **status,
        }
    )
    meta = metadata(name, creation_timestamp=later(created))
    return attachment(name, meta=meta, status=told, instance_id=instance)


def expected(multi: bool, instance: str | None, holders: tuple[str | None, ...]) -> bool:
    """The rule in other words: alone, or everybody may, or everybody is of one instance."""
    return not holders or multi or ({instance, *holders} == {instance} and instance is not None)


@pytest.mark.parametrize("multi", [False, True])
@pytest.mark.parametrize("instance", INSTANCES)
@pytest.mark.parametrize("holders", [c for n in range(4) for c in itertools.product(INSTANCES, repeat=n)])
def test_the_safety_rule(multi: bool, instance: str | None, holders: tuple[str | None, ...]) -> None:
    """Matrix: multiAttach x instance of the newcomer x every combination of up to three holders' instances."""
    held = volume(multi_attach=multi, held_by=[holder(f"o{i}", who) for i, who in enumerate(holders)])
    free = not ledger.in_the_way(held, attachment(instance_id=instance))
    assert free is expected(multi, instance, holders)


@pytest.mark.parametrize("multi", [False, True])
def test_a_full_ledger_admits_nobody(multi: bool) -> None:
    """The CRD bounds the list: one more entry would be refused by the API server for ever."""
    everyone = [holder(f"o{i}", "i1") for i in range(ledger.CAPACITY)]
    assert ledger.in_the_way(volume(multi_attach=multi, held_by=everyone), attachment(instance_id="i1"))


def test_nobody_is_in_the_way_of_itself() -> None:
    assert not ledger.in_the_way(volume(held_by=[holder("a")]), attachment("a"))


def test_an_entry_says_who_how_and_since_when() -> None:
    status = ledger.with_holder(volume(), attachment("a", instance_id="i1"), AccessMode.READ_ONLY, NOW)
    assert status.attachments == (holder("a", "i1").model_copy(update={"access_mode": AccessMode.READ_ONLY}),)


@pytest.mark.parametrize(
    ("before", "after"),
    [(VolumePhase.AVAILABLE, VolumePhase.HELD), (VolumePhase.FAILED, VolumePhase.FAILED)],
)
def test_the_phase_follows_the_ledger_unless_it_says_more(before: VolumePhase, after: VolumePhase) -> None:
    free = volume()
    free = free.model_copy(update={"status": free.status.model_copy(update={"phase": before})})
    assert ledger.with_holder(free, attachment(), AccessMode.READ_WRITE, NOW).phase is after


def test_the_last_one_out_makes_the_volume_available() -> None:
    status = ledger.without_holder(volume(held_by=[holder("a")]), "uid-a")
    assert (status.attachments, status.phase) == ((), VolumePhase.AVAILABLE)


def test_whoever_goes_leaves_the_others_as_they_were() -> None:
    status = ledger.without_holder(volume(held_by=[holder("a"), holder("b")]), "uid-a")
    assert status.attachments == (holder("b"),)


def test_microseconds_from_the_facade_decide_within_a_second() -> None:
    first, second = (
        attachment(name, meta=metadata(name, annotations={names.ANNOTATION_CREATED: f"2030-01-01T00:00:00.{us}Z"}))
        for name, us in (("z", "000001"), ("a", "000002"))
    )
    assert ledger.seniority(first) < ledger.seniority(second)


def test_the_uid_breaks_ties() -> None:
    assert ledger.seniority(attachment("a")) < ledger.seniority(attachment("b"))


def test_the_first_to_come_is_the_first_to_be_served() -> None:
    early, late = waiter("early", created=1), waiter("late", created=2)
    assert ledger.ahead_in_line(volume(), late, [early, late]) == early
    assert ledger.ahead_in_line(volume(), early, [early, late]) is None


def test_a_newcomer_does_not_pass_those_who_wait() -> None:
    """Not even one that was created earlier: it did not ask until now."""
    newcomer, waiting = attachment("a"), waiter("w", created=9)
    assert ledger.ahead_in_line(volume(), newcomer, [waiting]) == waiting


def test_a_migration_passes_waiters_that_its_first_half_keeps_out() -> None:
    held = volume(held_by=[holder("first", "i1")])
    second = attachment("second", instance_id="i1")
    assert ledger.ahead_in_line(held, second, [waiter("w", instance="i2")]) is None


@pytest.mark.parametrize(
    "peer",
    [
        waiter("w", volume_uid="uid-of-a-namesake"),
        waiter("w", rejected_at=NOW),
        waiter("w", conditions=(condition(ADMITTED, False, Reason.VOLUME_NOT_READY),)),
        waiter("w", conditions=(condition(ADMITTED, True, Reason.ADMITTED),)),
        waiter("w").model_copy(update={"metadata": metadata("w", deleting=True)}),
        attachment("w"),
    ],
    ids=["waits for a namesake", "refused", "waits for something else", "admitted", "going", "not heard of yet"],
)
def test_only_who_waits_for_this_volume_is_in_line(peer: Attachment) -> None:
    assert ledger.ahead_in_line(volume(), attachment("a"), [peer]) is None
