"""Whether an Attachment that is wanted gets its volume, waits for it, or is refused."""

from datetime import timedelta
from typing import Any

import pytest

from fairlead_crds.conditions import ADMITTED, EXPORTED, ConditionStatus, Reason
from fairlead_crds.kinds import Attachment, AttachmentPhase, Volume
from fairlead_operator.core import ledger, steps
from fairlead_operator.core.attachment import REJECTED_FOR, decide
from unit.model.objects import NOW, attachment, holder, later, metadata, volume
from unit.model.situations import (
    CONNECTOR,
    HELD_BY_OTHER,
    MOVED,
    export,
    facts,
    reasons,
    settled,
    status_of,
    waiting,
)

# --- admission -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["labels", "annotations", "finalizers"])
def test_nothing_is_admitted_before_it_is_adopted(missing: str) -> None:
    """Matrix: each mark of adoption missing by itself."""
    empty: Any = () if missing == "finalizers" else {}
    item = attachment(connector=CONNECTOR, meta=metadata("a", **{missing: empty}))
    assert decide(facts(item, volume())) == steps.Adopt()


def test_a_free_volume_is_given() -> None:
    step = decide(facts(None, volume()))
    assert isinstance(step, steps.Admit)
    assert [h.uid for h in step.status.attachments] == ["uid-a"]


def test_a_held_volume_is_waited_for_and_the_holder_named() -> None:
    status = status_of(decide(facts(None, HELD_BY_OTHER)))
    assert reasons(status)[ADMITTED] == (False, Reason.VOLUME_IN_USE)
    assert "Attachment other" in status.conditions[0].message


def test_whoever_waits_is_pinned_to_the_volume() -> None:
    assert status_of(decide(facts(None, HELD_BY_OTHER))).volume_uid == "uid-v"


def test_whoever_does_not_want_to_wait_is_refused_for_good() -> None:
    status = status_of(decide(facts(attachment(connector=CONNECTOR, conflict_policy="Reject"), HELD_BY_OTHER)))
    assert (status.phase, status.rejected_at) == (AttachmentPhase.REJECTED, NOW)


@pytest.mark.parametrize("policy", ["Wait", "Reject"])
def test_a_volume_that_goes_is_never_given(policy: str) -> None:
    """Matrix: conflictPolicy; the volume is free in both."""
    going = volume(meta=metadata("v", deleting=True))
    status = status_of(decide(facts(attachment(connector=CONNECTOR, conflict_policy=policy), going)))
    assert reasons(status)[ADMITTED] == (False, Reason.VOLUME_DELETED)


@pytest.mark.parametrize("of", [None, volume(meta=metadata("v", uid="uid-of-a-namesake"))], ids=["gone", "namesake"])
def test_waiting_ends_with_the_volume_and_never_at_a_namesake(of: Volume | None) -> None:
    """Matrix: no volume of that name any more, or another one."""
    status = status_of(decide(facts(waiting(), of)))
    assert reasons(status)[ADMITTED] == (False, Reason.VOLUME_DELETED)


def test_a_volume_that_never_was_is_waited_for() -> None:
    status = status_of(decide(facts()))
    assert (status.rejected_at, reasons(status)[ADMITTED]) == (None, (False, Reason.VOLUME_NOT_FOUND))


def test_a_volume_that_is_not_ready_is_waited_for() -> None:
    assert reasons(status_of(decide(facts(None, volume(ready=False)))))[ADMITTED] == (False, Reason.VOLUME_NOT_READY)


def test_those_who_waited_come_first() -> None:
    step = decide(facts(None, volume(), peers=[waiting("w")]))
    assert step == steps.Wait(retry=True)


def test_whoever_has_the_volume_already_comes_before_all_others() -> None:
    """The ledger was lost; the export shows who was in it."""
    peer = attachment("other", connector=MOVED)
    free = volume()
    stands_back = decide(facts(None, free, peers=[peer], exported_peers=frozenset({"uid-other"})))
    returns = decide(facts(None, free, peers=[waiting("w")], export=export()))
    assert stands_back == steps.Wait(retry=True)
    assert isinstance(returns, steps.Admit)


def test_two_of_one_instance_hold_a_volume_together() -> None:
    item = attachment(connector=CONNECTOR, instance_id="i1")
    step = decide(facts(item, volume(held_by=[holder("other", "i1")])))
    assert isinstance(step, steps.Admit)


@pytest.mark.parametrize("item", [waiting(), waiting(conflict_policy="Reject")], ids=["waits", "rejects"])
def test_an_export_without_admission_is_cut_before_anything_is_said(item: Attachment) -> None:
    """Matrix: conflictPolicy. Somebody else holds the volume: two nodes can reach it at this moment."""
    assert isinstance(decide(facts(item, HELD_BY_OTHER, export=export())), steps.Unexport)


def test_a_long_wait_is_told_once() -> None:
    patience = timedelta(seconds=60)
    item = waiting()
    first = decide(facts(item, HELD_BY_OTHER, patience=patience))
    item = item.model_copy(update={"status": status_of(first)})
    assert decide(facts(item, HELD_BY_OTHER, patience=patience)) == steps.Wait(until=later(60))
    told = decide(facts(item, HELD_BY_OTHER, patience=patience, now=later(60)))
    assert isinstance(told, steps.WriteAttachmentStatus)
    assert told.event is Reason.VOLUME_IN_USE
    item = item.model_copy(update={"status": told.status})
    assert decide(facts(item, HELD_BY_OTHER, patience=patience, now=later(99))) == steps.Wait()


def test_the_ledger_is_the_only_way_in() -> None:
    """Exported only when the ledger names it, whatever its own status says."""
    item = settled()
    step = decide(facts(item, volume()))
    assert isinstance(step, steps.Admit)
    assert ledger.holder_of(volume(), "uid-a") is None


# --- the end of a refused one ----------------------------------------------------------------------------------------


def refused() -> Attachment:
    """Refused at NOW."""
    item = waiting(conflict_policy="Reject")
    return item.model_copy(update={"status": status_of(decide(facts(item, HELD_BY_OTHER)))})


@pytest.mark.parametrize("of", [None, HELD_BY_OTHER, volume()], ids=["gone", "held", "free again"])
def test_refused_is_refused(of: Volume | None) -> None:
    """Matrix: whatever becomes of the volume; it stays to be read for a while."""
    assert decide(facts(refused(), of)) == steps.Wait(until=NOW + REJECTED_FOR)


def test_a_refused_one_answers_to_a_change_of_its_spec_and_stays_refused() -> None:
    before = refused()
    generation = before.metadata.generation + 1
    changed = before.model_copy(update={"metadata": before.metadata.model_copy(update={"generation": generation})})
    status = status_of(decide(facts(changed, HELD_BY_OTHER)))
    assert status == before.status.model_copy(update={"observed_generation": generation})


def test_a_refused_one_is_removed_after_a_while() -> None:
    assert isinstance(decide(facts(refused(), None, now=NOW + REJECTED_FOR)), steps.Expire)


def test_a_refused_one_that_is_exported_after_all_is_cut() -> None:
    assert isinstance(decide(facts(refused(), None, export=export())), steps.Unexport)


# --- while the Backend does not answer -------------------------------------------------------------------------------


def told(status: ConditionStatus | None) -> Attachment:
    """Waits for a volume that is gone; its status says this of an export."""
    item = waiting()
    others = tuple(c for c in item.status.conditions if c.type != EXPORTED)
    of_export = tuple(
        c.model_copy(update={"status": status}) for c in item.status.conditions if c.type == EXPORTED and status
    )
    return item.model_copy(update={"status": item.status.model_copy(update={"conditions": others + of_export})})


@pytest.mark.parametrize("status", [None, *ConditionStatus])
def test_nothing_is_refused_while_an_export_of_it_may_be_live_unseen(status: ConditionStatus | None) -> None:
    """Matrix: what its status says of an export; the Backend does not answer, so none in sight proves nothing."""
    written = status_of(decide(facts(told(status), None, unready="it hangs")))
    refused_at_once = status is ConditionStatus.FALSE
    assert (written.rejected_at is not None) is refused_at_once


@pytest.mark.parametrize("status", [None, ConditionStatus.TRUE, ConditionStatus.UNKNOWN])
def test_what_nobody_can_see_is_unknown_and_stays_so(status: ConditionStatus | None) -> None:
    """Matrix: as above, where it is not denied. Said twice: the second try knows no more."""
    item = told(status)
    for _ in range(2):
        step = decide(facts(item, None, unready="it hangs"))
        if isinstance(step, steps.WriteAttachmentStatus):
            item = item.model_copy(update={"status": step.status})
    exported = next(c for c in item.status.conditions if c.type == EXPORTED)
    assert exported.status is ConditionStatus.UNKNOWN
