"""What an Attachment that is wanted needs next."""

from datetime import timedelta
from typing import Any

import pytest

from fairlead_crds.conditions import ADMITTED, COMPLETED, EXPORTED, ConditionStatus, Reason
from fairlead_crds.kinds import AccessMode, Attachment, AttachmentPhase, AttachmentStatus, Volume
from fairlead_operator.core import ledger, steps
from fairlead_operator.core.attachment import REJECTED_FOR, Done, Failure, decide
from unit.model.objects import NOW, attachment, holder, later, metadata, volume
from unit.model.situations import (
    CONNECTION,
    CONNECTOR,
    export,
    facts,
    held,
    reasons,
    settled,
    status_of,
    waiting,
)

MOVED = {"initiator": "n2", "host": "h2"}
BROKEN = Failure(reason=Reason.DRIVER_ERROR, message="no")
HELD_BY_OTHER = volume(held_by=[holder("other")])


def moved(to: dict[str, Any] | None) -> Attachment:
    """Exported to n1, and then another connector was written."""
    before = settled()
    return before.model_copy(update={"spec": before.spec.model_copy(update={"connector": to})})


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


# --- export ----------------------------------------------------------------------------------------------------------


def test_a_holder_is_exported_and_then_told() -> None:
    item = attachment(connector=CONNECTOR)
    assert decide(facts(item, held())) == steps.Export()
    status = status_of(decide(facts(item, held(), export=export(), done=Done(connection=CONNECTION))))
    assert (status.phase, status.connection_info) == (AttachmentPhase.EXPORTED, CONNECTION)
    assert reasons(status) == {
        ADMITTED: (True, Reason.ADMITTED),
        EXPORTED: (True, Reason.EXPORTED),
        COMPLETED: (False, Reason.NOT_COMPLETED),
    }


def test_everything_needed_to_take_it_away_is_in_the_status() -> None:
    status = settled().status
    assert (status.volume_uid, status.backend_name, status.handle) == ("uid-v", "b", "h-a")


def test_over_what_is_in_order_nothing_is_written() -> None:
    assert decide(facts(settled(), held(), export=export(), now=later(99))) == steps.Wait()


@pytest.mark.parametrize(
    "found",
    [
        None,
        export(None, complete=False),
        export(complete=False),
        export(access_mode=AccessMode.READ_ONLY),
        export(volume_handle=None),
    ],
    ids=["gone", "admits nobody", "half built", "wrong mode", "no volume"],
)
def test_an_export_that_is_not_right_is_made_again(found: Any) -> None:
    """Matrix: what a crash, a restart or a hand may leave of it."""
    assert decide(facts(settled(), held(), export=found)) == steps.Export()


def test_after_a_crash_between_export_and_status_the_export_is_repeated_to_learn_the_connection() -> None:
    assert decide(facts(attachment(connector=CONNECTOR), held(), export=export())) == steps.Export()


@pytest.mark.parametrize("to", [MOVED, None, {}], ids=["another node", "none", "empty"])
def test_another_connector_cuts_the_old_node_off_first(to: dict[str, Any] | None) -> None:
    """Matrix: moved to another node, cleared to null, cleared to an empty one."""
    step = decide(facts(moved(to), held(), export=export()))
    assert isinstance(step, steps.Unexport)


def test_the_new_node_is_let_in_when_the_old_one_is_out() -> None:
    step = decide(facts(moved(MOVED), held(), done=Done(unexported=True)))
    assert step == steps.Export()


def test_another_mode_needs_no_cut() -> None:
    item = settled()
    item = item.model_copy(update={"spec": item.spec.model_copy(update={"access_mode": AccessMode.READ_ONLY})})
    assert decide(facts(item, held(), export=export())) == steps.Export()


def test_a_connector_without_what_the_driver_needs_is_told_and_nothing_exported() -> None:
    item = attachment(connector={"host": "h1"})
    status = status_of(decide(facts(item, held(), connector_flaw="initiator is missing")))
    assert reasons(status)[EXPORTED] == (False, Reason.INCOMPLETE_CONNECTOR)


def test_an_unknown_node_is_told() -> None:
    item = attachment(node_name="node")
    status = status_of(decide(facts(item, held(), node_unknown=True)))
    assert reasons(status)[EXPORTED] == (False, Reason.NODE_CONNECTOR_NOT_FOUND)


def test_a_node_whose_connector_object_went_keeps_what_it_has() -> None:
    item = settled(attachment(node_name="node"), connector=CONNECTOR, initiator="n1")
    assert decide(facts(item, held(), node_unknown=True, export=export())) == steps.Wait()


def test_a_move_to_a_node_that_nobody_knows_cuts_the_old_one_off() -> None:
    exported = settled(attachment(node_name="node"), connector=CONNECTOR, initiator="n1")
    moved = exported.model_copy(update={"spec": exported.spec.model_copy(update={"node_name": "elsewhere"})})
    assert isinstance(decide(facts(moved, held(), node_unknown=True, export=export())), steps.Unexport)


def test_a_node_that_is_gone_for_good_gives_everything_back() -> None:
    item = settled(attachment(node_name="node"), connector=CONNECTOR, initiator="n1")
    step = decide(facts(item, held(), export=export(), node_gone="it was deleted"))
    assert step == steps.Expire(Reason.NODE_GONE, "it was deleted")


def test_completion_is_seen_and_keeps_its_time() -> None:
    item = settled()
    item = item.model_copy(update={"spec": item.spec.model_copy(update={"completed": True})})
    status = status_of(decide(facts(item, held(), export=export(), now=later(5))))
    assert (status.phase, status.completed_at) == (AttachmentPhase.COMPLETED, later(5))
    item = item.model_copy(update={"status": status})
    assert decide(facts(item, held(), export=export(), now=later(9))) == steps.Wait()


# --- the Secret ------------------------------------------------------------------------------------------------------


def test_a_secret_that_is_wanted_is_written_before_the_status_speaks_of_it() -> None:
    item = attachment(connector=CONNECTOR, write_secret=True)
    done = Done(connection=CONNECTION)
    assert decide(facts(item, held(), export=export(), done=done)) == steps.WriteSecret()
    done = Done(connection=CONNECTION, secret=True)
    status = status_of(decide(facts(item, held(), export=export(), done=done)))
    assert status.secret_ref is not None


def test_a_secret_that_is_not_wanted_any_more_is_dropped() -> None:
    item = attachment(connector=CONNECTOR, write_secret=True)
    done = Done(connection=CONNECTION, secret=True)
    status = status_of(decide(facts(item, held(), export=export(), done=done)))
    item = attachment(connector=CONNECTOR, write_secret=False, status=status)
    assert decide(facts(item, held(), export=export())) == steps.DropSecret()
    status = status_of(decide(facts(item, held(), export=export(), done=Done(secret=False))))
    assert status.secret_ref is None


# --- reservations ----------------------------------------------------------------------------------------------------


def test_without_a_connector_the_volume_is_kept_and_not_exported() -> None:
    status = status_of(decide(facts(attachment(), held())))
    assert (status.phase, status.connection_info) == (AttachmentPhase.RESERVED, None)
    assert reasons(status)[EXPORTED] == (False, Reason.RESERVED)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(29, steps.Wait(until=later(30))), (30, Reason.RESERVATION_EXPIRED), (31, Reason.RESERVATION_EXPIRED)],
)
def test_a_reservation_ends_at_its_time(seconds: float, expected: steps.Wait | Reason) -> None:
    """Matrix: just before, at and after the end."""
    item = settled(attachment(reservation_ttl_seconds=30))
    step = decide(facts(item, held(), now=later(seconds)))
    assert (step.reason if isinstance(step, steps.Expire) else step) == expected


def test_what_was_exported_once_never_expires() -> None:
    item = settled(attachment(connector=CONNECTOR, reservation_ttl_seconds=30))
    item = item.model_copy(update={"spec": item.spec.model_copy(update={"connector": None})})
    step = decide(facts(item, held(), now=later(9999), done=Done(unexported=True)))
    status = status_of(step)
    assert (status.phase, status.attached_at) == (AttachmentPhase.RESERVED, NOW)


# --- trouble ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("to", [MOVED, None], ids=["moved", "cleared"])
def test_what_cannot_be_cut_yet_is_not_said_to_be_cut(to: dict[str, Any] | None) -> None:
    """Matrix: where it is to go. The Backend does not answer, so the old node may still have access."""
    step = decide(facts(moved(to), held(), export=export(), unready="it hangs"))
    assert isinstance(step, steps.WriteAttachmentStatus)
    assert (step.retry, reasons(step.status)[EXPORTED][1]) == (True, Reason.BACKEND_NOT_READY)


def test_a_failure_is_told_once_and_tried_again() -> None:
    item = attachment(connector=CONNECTOR)
    first = decide(facts(item, held(), failure=BROKEN))
    assert isinstance(first, steps.WriteAttachmentStatus)
    assert (first.retry, reasons(first.status)[EXPORTED]) == (True, (False, Reason.DRIVER_ERROR))
    item = item.model_copy(update={"status": first.status})
    assert decide(facts(item, held(), failure=BROKEN)) == steps.Wait(retry=True)


def test_after_a_failure_the_export_is_tried_again() -> None:
    item = attachment(connector=CONNECTOR)
    item = item.model_copy(update={"status": status_of(decide(facts(item, held(), failure=BROKEN)))})
    assert decide(facts(item, held())) == steps.Export()


def test_the_history_keeps_the_last_ten_phases() -> None:
    status = AttachmentStatus()
    for turn in range(12):
        item = attachment(connector=None if turn % 2 else CONNECTOR, status=status)
        of = held() if turn % 2 else HELD_BY_OTHER
        status = status_of(decide(facts(item, of, now=later(turn))))
    assert [entry.at for entry in status.history] == [later(turn) for turn in range(2, 12)]


def test_the_ledger_is_the_only_way_in() -> None:
    """Exported only when the ledger names it, whatever its own status says."""
    item = settled()
    step = decide(facts(item, volume()))
    assert isinstance(step, steps.Admit)
    assert ledger.holder_of(volume(), "uid-a") is None


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


@pytest.mark.parametrize("tries", [1, 2, 4, 8])
def test_access_that_may_still_be_there_is_unknown_however_often_it_failed(tries: int) -> None:
    """Matrix: tries. Cleared, and the array refuses to cut the node off."""
    item = moved(None)
    for count in range(1, tries + 1):
        failure = Failure(reason=Reason.DRIVER_ERROR, message="no", tries=count)
        step = decide(facts(item, held(), export=export(), failure=failure))
        if isinstance(step, steps.WriteAttachmentStatus):
            item = item.model_copy(update={"status": step.status})
    exported = next(c for c in item.status.conditions if c.type == EXPORTED)
    assert exported.status is ConditionStatus.UNKNOWN
