"""Who is logged in: looked at when asked, answered once for each request, and denied only of what was seen whole."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from fairlead_crds.kinds import LOOK_REQUEST, SESSIONS, Attachment, SessionsFound, SessionsLook
from fairlead_crds.names import ANNOTATION_LOOK
from fairlead_operator.core import steps
from fairlead_operator.core.attachment import AttachmentFacts, Done, Seen, decide
from fairlead_operator.core.sessions import RETURNS_WITHIN
from unit.model.objects import NOW, attachment, metadata, volume
from unit.model.situations import CONNECTION, CONNECTOR, MOVED, export, facts, held, settled, status_of

ANNOTATIONS = metadata("a").annotations


def asked(request: str = "r1", item: Attachment | None = None, *, generation: int = 1) -> Attachment:
    """An Attachment, exported unless another is given, with a request to look."""
    item = item or settled()
    changes = {"annotations": {**ANNOTATIONS, ANNOTATION_LOOK: request}, "generation": generation}
    return item.model_copy(update={"metadata": item.metadata.model_copy(update=changes)})


def looking(item: Attachment | None = None, **changes: Any) -> AttachmentFacts:
    """All is as it should be, and the driver can tell who is logged in."""
    return facts(item or asked(), held(), **{"export": export(), "sees_sessions": True, **changes})


def seen(request: str = "r1", *, generation: int = 1, at: datetime = NOW, **changes: Any) -> Done:
    """What the backend showed in this pass: the export, and nobody logged in, unless said otherwise."""
    return Done(seen=Seen(request=request, generation=generation, at=at, **{"export": export(), **changes}))


def answer_to(situation: AttachmentFacts) -> SessionsLook:
    told = status_of(decide(situation)).sessions_look
    assert told is not None
    return told


def test_nobody_looks_unasked() -> None:
    assert decide(looking(settled())) == steps.Wait()


def test_a_request_is_answered_by_a_live_look() -> None:
    assert decide(looking()) == steps.Look("r1")
    assert answer_to(looking(done=seen())) == SessionsLook(
        request="r1", observed_at=NOW, observed_generation=1, initiator="n1", found=SessionsFound.NONE
    )


def test_who_is_logged_in_is_named() -> None:
    status = status_of(decide(looking(done=seen(export=export(sessions=("n1",))))))
    assert status.sessions_look is not None
    assert status.sessions_look.found is SessionsFound.LIVE
    assert [(s.initiator, s.address) for s in status.sessions] == [("n1", "somewhere")]


def test_more_sessions_than_there_is_room_for_are_live_too() -> None:
    many = export(sessions=("n1",) * (SESSIONS + 1))
    status = status_of(decide(looking(done=seen(export=many))))
    assert (status.sessions_look and status.sessions_look.found, len(status.sessions)) == ("Live", SESSIONS)


def test_an_answer_changes_nothing_else() -> None:
    status = status_of(decide(looking(done=seen(export=export(sessions=("n1",))))))
    assert status.model_copy(update={"sessions_look": None, "sessions": ()}) == settled().status


def test_each_request_is_answered_once() -> None:
    item = asked().model_copy(update={"status": status_of(decide(looking(done=seen())))})
    assert decide(looking(item)) == steps.Wait()
    assert decide(looking(item, done=seen())) == steps.Wait()
    assert decide(looking(asked("r2", item))) == steps.Look("r2")


@pytest.mark.parametrize("old", [{"request": "r0"}, {"generation": 0}], ids=["request", "generation"])
def test_what_was_seen_for_another_request_or_spec_is_looked_at_again(old: dict[str, Any]) -> None:
    """Matrix: the request was replaced, or the spec changed, between the look and the write of it."""
    assert decide(looking(done=seen(**old))) == steps.Look("r1")


@pytest.mark.parametrize(
    ("what", "changes"),
    [
        ("the driver cannot tell", {"sees_sessions": False}),
        ("the backend is not ready", {"unready": "it hangs"}),
        ("the driver failed", {"done": seen(export=None, unknown="no answer")}),
        ("there was no export", {"done": seen(export=None)}),
    ],
)
def test_what_was_not_seen_is_not_denied(what: str, changes: dict[str, Any]) -> None:
    told = answer_to(looking(**changes))
    assert told.found is SessionsFound.UNKNOWN, what
    assert told.message


@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize(("since", "known"), [(timedelta(), False), (RETURNS_WITHIN, True)])
def test_a_node_whose_export_was_made_again_may_be_on_its_way_back(
    since: timedelta, known: bool, connected: bool
) -> None:
    """Matrix: just now, or longer ago than a node takes x back already, or not."""
    done = seen(export=export(sessions=("n1",) if connected else ()))
    told = answer_to(looking(remade=NOW - since, done=done))
    absent = SessionsFound.NONE if known else SessionsFound.UNKNOWN
    assert told.found is (SessionsFound.LIVE if connected else absent)


def test_what_is_not_as_it_should_be_comes_first() -> None:
    moved = settled().model_copy(update={"spec": attachment(connector=MOVED).spec})
    assert decide(looking(export=export(complete=False))) == steps.Export()
    assert isinstance(decide(looking(asked(item=moved))), steps.Unexport)


def test_one_that_is_being_deleted_is_cut_off_and_not_looked_at() -> None:
    item = asked()
    gone = item.model_copy(update={"metadata": item.metadata.model_copy(update={"deletion_timestamp": NOW})})
    assert isinstance(decide(looking(gone)), steps.Unexport)


@pytest.mark.parametrize("item", [attachment(), attachment(connector={"host": "h"})], ids=["reserved", "refused"])
def test_where_nothing_is_exported_there_is_nothing_to_look_at(item: Attachment) -> None:
    """Matrix: no connector, or one that is not enough."""
    flaw = None if item.spec.connector is None else "no initiator"
    calm = asked(item=settled(item) if flaw is None else item)
    step = decide(facts(calm, held(), sees_sessions=True, connector_flaw=flaw))
    assert step == steps.Wait() if flaw is None else isinstance(step, steps.WriteAttachmentStatus)


def test_sessions_go_with_the_export() -> None:
    status = status_of(decide(looking(done=seen(export=export(sessions=("n1",))))))
    item = attachment().model_copy(update={"status": status})
    freed = status_of(decide(facts(asked(item=item), held(), done=Done(unexported=True))))
    assert (freed.sessions, freed.sessions_look) == ((), status.sessions_look)


def test_a_request_that_is_no_request_of_ours_is_left_alone() -> None:
    for text in ("", "x" * (LOOK_REQUEST + 1)):
        assert decide(looking(asked(text))) == steps.Wait()


def test_one_that_waits_for_its_volume_is_not_looked_at() -> None:
    step = decide(facts(asked(item=attachment(connector=CONNECTOR)), volume(ready=False), sees_sessions=True))
    assert status_of(step).sessions_look is None


def test_an_export_repaired_in_this_pass_is_looked_at_again() -> None:
    """The executor forgets what it saw when it exports; here: what the core makes of that."""
    assert decide(looking(done=Done(connection=CONNECTION))) == steps.Look("r1")
