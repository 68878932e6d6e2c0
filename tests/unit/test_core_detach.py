"""What an Attachment that is being deleted needs next: cut off, then out of the ledger, then let go."""

from typing import Any

import pytest

from fairlead_crds.conditions import EXPORTED, ConditionStatus, Reason, find
from fairlead_crds.kinds import Attachment, AttachmentPhase, Volume
from fairlead_operator.core import steps
from fairlead_operator.core.attachment import Done, Failure, decide
from unit.model.objects import attachment, holder, later, metadata, volume
from unit.model.situations import CONNECTOR, export, facts, held, settled, status_of

GONE = metadata("a", deleting=True)
CUT = Done(unexported=True)
BROKEN = Failure(reason=Reason.DRIVER_ERROR, message="no")


def going(**spec: Any) -> Attachment:
    """Exported, and then deleted."""
    return settled(attachment(connector=CONNECTOR, **spec)).model_copy(update={"metadata": GONE})


@pytest.mark.parametrize("of", [None, volume(), held(), volume(meta=metadata("v", uid="uid-of-a-namesake"))])
@pytest.mark.parametrize("seen", [None, export(), export(None, complete=False)])
def test_it_is_cut_off_first_whatever_is_known(of: Volume | None, seen: Any) -> None:
    """Matrix: no volume, not in the ledger, in it, a namesake x no export seen, one, half of one."""
    step = decide(facts(going(), of, export=seen))
    assert isinstance(step, steps.Unexport)
    assert step.handle == "h-a"


def test_the_ledger_forgets_it_when_it_is_cut_off() -> None:
    others = volume(held_by=[holder("a"), holder("b")])
    step = decide(facts(going(), others, done=CUT))
    assert isinstance(step, steps.Release)
    assert (step.holder.uid, [h.uid for h in step.status.attachments]) == ("uid-a", ["uid-b"])


@pytest.mark.parametrize("of", [None, volume(), volume(held_by=[holder("b")])])
def test_it_is_let_go_when_no_ledger_names_it(of: Volume | None) -> None:
    """Matrix: the volume is gone, free, or held by another."""
    assert decide(facts(going(), of, done=CUT)) == steps.Finalize()


def test_without_our_finalizer_there_is_nothing_to_do() -> None:
    item = attachment(meta=metadata("a", deleting=True, finalizers=("another/finalizer",)))
    assert decide(facts(item, held(), export=export())) == steps.Wait()


def test_a_failure_to_cut_off_is_told_and_holds_everything() -> None:
    step = decide(facts(going(), held(), export=export(), failure=BROKEN))
    assert isinstance(step, steps.WriteAttachmentStatus)
    exported = find(step.status.conditions, EXPORTED)
    assert exported is not None
    assert (exported.status, exported.reason, step.retry) == (ConditionStatus.UNKNOWN, Reason.DRIVER_ERROR, True)


@pytest.mark.parametrize("count", [2, 4, 8])
def test_access_stays_unknown_however_often_it_failed(count: int) -> None:
    """Matrix: tries at which the message is written anew."""
    item = going()
    for tries in range(1, count + 1):
        failure = Failure(reason=Reason.DRIVER_ERROR, message="no", tries=tries)
        step = decide(facts(item, held(), failure=failure))
        if isinstance(step, steps.WriteAttachmentStatus):
            item = item.model_copy(update={"status": step.status})
    exported = find(item.status.conditions, EXPORTED)
    assert exported is not None
    assert exported.status is ConditionStatus.UNKNOWN


def test_a_backend_that_does_not_answer_is_waited_for() -> None:
    step = decide(facts(going(), held(), unready="it hangs"))
    assert isinstance(step, steps.WriteAttachmentStatus)
    assert (step.retry, step.status.phase) == (True, AttachmentPhase.DETACHING)


def test_what_is_cut_off_already_needs_the_backend_no_more() -> None:
    assert isinstance(decide(facts(going(), held(), done=CUT, unready="it hangs")), steps.Release)


@pytest.mark.parametrize("polite", [True, False])
@pytest.mark.parametrize("connected", [True, False])
def test_only_a_polite_detach_waits_for_the_node(polite: bool, connected: bool) -> None:
    """Matrix: detachPolicy x whether the node is logged in."""
    item = going(detach_policy="WaitForLogout" if polite else "Immediate")
    step = decide(facts(item, held(), export=export(sessions=("n1",) if connected else ())))
    assert isinstance(step, steps.WriteAttachmentStatus if polite and connected else steps.Unexport)


def test_a_polite_detach_says_whom_it_waits_for_once() -> None:
    item = going(detach_policy="WaitForLogout")
    seen = export(sessions=("n1",))
    status = status_of(decide(facts(item, held(), export=seen)))
    exported = find(status.conditions, EXPORTED)
    assert exported is not None
    assert "n1 from somewhere" in exported.message
    item = item.model_copy(update={"status": status})
    assert decide(facts(item, held(), export=seen)) == steps.Wait(until=later(1))


def test_deleting_a_node_s_attachment_needs_no_evidence_of_the_node() -> None:
    item = attachment(node_name="node", meta=GONE)
    assert isinstance(decide(facts(item, held(), node_unknown=True, node_gone="deleted")), steps.Unexport)
