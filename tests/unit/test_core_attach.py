"""What an Attachment that has its volume needs next."""

from typing import Any

import pytest

from fairlead_crds.conditions import ADMITTED, COMPLETED, EXPORTED, ConditionStatus, Reason
from fairlead_crds.kinds import AccessMode, Attachment, AttachmentPhase, AttachmentStatus
from fairlead_operator.core import steps
from fairlead_operator.core.attachment import Done, Failure, decide
from unit.model.objects import NOW, attachment, later
from unit.model.situations import (
    CONNECTION,
    CONNECTOR,
    HELD_BY_OTHER,
    MOVED,
    export,
    facts,
    held,
    reasons,
    settled,
    status_of,
)

BROKEN = Failure(reason=Reason.DRIVER_ERROR, message="no")


def moved(to: dict[str, Any] | None) -> Attachment:
    """Exported to n1, and then another connector was written."""
    before = settled()
    return before.model_copy(update={"spec": before.spec.model_copy(update={"connector": to})})


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
