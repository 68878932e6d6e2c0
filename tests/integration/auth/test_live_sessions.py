"""Detaching without a service token what an instance uses: only when the operator sees that nobody is logged in."""

import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
from kubernetes import client

from accounts import People, TokenRest
from cluster import Cluster, Object
from facades import RunningFacade, facade, write_private
from fairlead_crds import names
from fairlead_devstack.audit import AuditLog
from fairlead_devstack.component import Component
from fairlead_devstack.keystone import Keystone, User
from fairlead_devstack.stack import Stack
from faults import Faults
from iscsi import Access, Initiator, login
from own_backend import OwnBackend
from rest import NODE_2, Answer, access, connector
from waiting import wait_for

INSTANCE = "a7816a4b-fe9d-4767-99eb-38bb87113407"
REFUSAL = f"ConflictNovaUsingAttachment: Detach volume from instance {INSTANCE} using the Compute API"
LOOKED = "look.after-look"


@pytest.fixture
def alice(people: People) -> TokenRest:
    return people("alice")


@pytest.fixture
def cluster(keystone: Keystone, admin: client.ApiClient, alice: TokenRest) -> Cluster:
    """kubectl in alice's project."""
    return Cluster(admin, keystone.projects["demo"])


def used(rest: TokenRest, **fields: str) -> tuple[str, str, Access]:
    """A volume that an instance uses: its id, that of the attachment, and how the node reaches it."""
    volume = rest.volume(**fields)
    attachment = rest.attach(volume, instance_uuid=INSTANCE)
    rest.complete(attachment["id"])
    return volume, attachment["id"], access(attachment)


def delete(rest: TokenRest, attachment: str, **options: object) -> Answer:
    return rest.send("DELETE", f"/attachments/{attachment}", **options)


def look_of(cluster: Cluster, attachment: str) -> tuple[str | None, Object]:
    """The request that stands at an Attachment, and its status."""
    found = cluster.get("Attachment", attachment)
    assert found is not None
    return found["metadata"]["annotations"].get(names.ANNOTATION_LOOK), found["status"]


# --- what it permits -------------------------------------------------------------------------------------------------


def test_a_member_is_refused_while_a_session_is_live_and_permitted_when_it_is_gone(
    alice: TokenRest, cluster: Cluster
) -> None:
    _, attachment, way = used(alice)
    with Initiator(way) as node:
        assert node.write(pattern=1)
        answer = delete(alice, attachment)
        assert (answer.fault, answer.message) == ((409, "conflictingRequest"), REFUSAL)
        assert node.write(pattern=2)
        assert node.read(pattern=2)
        # For whoever looks by kubectl.
        request, status = look_of(cluster, attachment)
        assert [session["initiator"] for session in status["sessions"]] == [way.initiator]
        assert status["sessions"][0]["address"].startswith("127.0.0.1")
        assert (status["sessionsLook"]["request"], status["sessionsLook"]["found"]) == (request, "Live")
    gone = wait_for(lambda: (a := delete(alice, attachment)).status == 200 and a, what="permitted after the logout")
    assert gone.body == {"attachments": []}
    assert not login(way).accepted


def test_what_was_never_logged_in_to_is_detached_at_once(alice: TokenRest) -> None:
    _, attachment, way = used(alice)
    assert alice.detach(attachment) == []
    assert not login(way).accepted


@pytest.mark.parametrize("action", ["os-terminate_connection", "os-detach"])
def test_the_older_calls_look_too(action: str, alice: TokenRest) -> None:
    volume, attachment, way = used(alice)
    value = {"connector": connector()} if action == "os-terminate_connection" else {}
    with Initiator(way) as node:
        assert node.write(pattern=1)
        assert alice.act(volume, action, value).fault == (409, "conflictingRequest")
        assert node.write(pattern=2)
    wait_for(lambda: alice.act(volume, action, value).status == 202, what="permitted after the logout")
    assert not login(way).accepted
    shown = alice.get(f"/attachments/{attachment}").status
    assert shown == (200 if action == "os-terminate_connection" else 404)


def test_deleting_a_volume_by_force_looks_too(people: People, alice: TokenRest) -> None:
    admin, volume = people("admin"), alice.volume()
    way = access(alice.attach(volume, instance_uuid=INSTANCE))
    with Initiator(way) as node:
        assert node.write(pattern=1)
        assert admin.act(volume, "os-force_delete").fault == (409, "conflictingRequest")
        assert node.write(pattern=2)
    wait_for(lambda: admin.act(volume, "os-force_delete").status == 202, what="permitted after the logout")
    assert not login(way).accepted


# --- what it costs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("why", ["service token", "no instance", "never connected"])
def test_nobody_is_asked_where_something_else_permits_it(
    why: str, alice: TokenRest, keystone: Keystone, audit_log: AuditLog
) -> None:
    volume, options = alice.volume(), {}
    match why:
        case "service token":
            attachment = alice.attach(volume, instance_uuid=INSTANCE)["id"]
            options = {"headers": {"X-Service-Token": keystone.token("nova", "service")}}
        case "no instance":
            attachment = alice.attach(volume)["id"]
        case _:
            attachment = alice.reserve(volume, INSTANCE)["id"]
    mark = audit_log.mark()
    assert delete(alice, attachment, **options).status == 200
    assert writes_to(audit_log, mark, attachment, names.FACADE_ACCOUNT) == {("delete", ""): 1}


def test_who_may_not_detach_at_all_causes_no_look(alice: TokenRest, people: People, audit_log: AuditLog) -> None:
    _, attachment, _ = used(alice)
    mark = audit_log.mark()
    assert delete(people("rita"), attachment).status == 403
    assert writes_to(audit_log, mark, attachment, names.FACADE_ACCOUNT) == {}
    alice.detach(attachment)


def test_a_look_costs_one_write_to_ask_and_one_to_answer(alice: TokenRest, audit_log: AuditLog) -> None:
    _, attachment, _ = used(alice)
    alice.detach(attachment)
    facade = writes_to(audit_log, 0, attachment, names.FACADE_ACCOUNT)
    # Completing it, and asking.
    assert (facade["patch", ""], facade["delete", ""]) == (2, 1)
    # The answer to the last of them may overtake its line in the log.
    wait_for(lambda: writes_to(audit_log, 0, attachment, names.OPERATOR_ACCOUNT)["patch", ""] == 1, what="finalized")
    # Exported, completed, and the answer.
    assert writes_to(audit_log, 0, attachment, names.OPERATOR_ACCOUNT)["patch", "status"] == 3


def writes_to(audit_log: AuditLog, mark: int, attachment: str, account: str) -> Counter[tuple[str, str]]:
    """What an account of ours wrote to an Attachment."""
    user = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{account}"
    found = [e for e in audit_log.since(mark) if e.writes and e.code < 400 and (e.name, e.user) == (attachment, user)]
    return Counter((entry.verb, entry.subresource) for entry in found)


# --- what happens meanwhile ------------------------------------------------------------------------------------------


class Operator:
    """The one of a Backend of our own, which a test may hurt."""

    def __init__(self, backend: OwnBackend, process: Component, faults: Faults) -> None:
        self.backend = backend
        self.process = process
        self.faults = faults


@pytest.fixture
def operator(own_backend: OwnBackend) -> Iterator[Operator]:
    process, faults = own_backend.start(f"operator-{uuid.uuid4().hex[:6]}")
    own_backend.wait_ready()
    yield Operator(own_backend, process, faults)
    own_backend.end_operators()


@contextmanager
def asking(rest: TokenRest, attachment: str) -> Iterator[list[Answer]]:
    """A DELETE under way; its answer is there afterwards."""
    answers: list[Answer] = []
    thread = threading.Thread(target=lambda: answers.append(delete(rest, attachment)))
    thread.start()
    try:
        yield answers
    finally:
        thread.join()


def test_an_operator_that_is_away_answers_nothing_and_nothing_is_cut(alice: TokenRest, operator: Operator) -> None:
    _, attachment, way = used(alice, volume_type=operator.backend.name)
    operator.process.kill()
    answer = delete(alice, attachment)
    assert answer.fault == (409, "conflictingRequest")
    assert "its operator did not say so within 10 s" in answer.message
    assert login(way).accepted
    operator.process.restart()
    wait_for(lambda: delete(alice, attachment).status == 200, timeout=60, what="permitted by the operator that is back")
    assert not login(way).accepted


def test_a_request_is_answered_although_the_operator_died_over_it(
    alice: TokenRest, operator: Operator, cluster: Cluster
) -> None:
    _, attachment, way = used(alice, volume_type=operator.backend.name)
    with Initiator(way) as node:
        assert node.write(pattern=1)
        operator.faults.set(LOOKED, "kill")
        with asking(alice, attachment) as answers:
            operator.faults.wait_reached(LOOKED)
            wait_for(lambda: not operator.process.alive, what="the operator died")
            operator.process.restart()
        assert answers[0].status == 409

        def is_answered() -> bool:
            request, status = look_of(cluster, attachment)
            look = status.get("sessionsLook", {})
            return bool(look.get("request") == request and look["found"] == "Live")

        wait_for(is_answered, timeout=60, what="the next operator answers")
        assert node.write(pattern=2)
    wait_for(lambda: delete(alice, attachment).status == 200, timeout=60, what="permitted after the logout")


def test_a_login_between_look_and_deletion_is_cut_off_with_the_export(alice: TokenRest, operator: Operator) -> None:
    """The race that remains: what is lost is the node's own access, never the volume's safety."""
    _, attachment, way = used(alice, volume_type=operator.backend.name)
    operator.faults.set(LOOKED, "pause")
    with ExitStack() as end:
        with asking(alice, attachment) as answers:
            operator.faults.wait_reached(LOOKED)
            node = end.enter_context(Initiator(way, patience=3))
            assert node.write(pattern=1)
            operator.faults.go(LOOKED)
        assert answers[0].status == 200
        assert not login(way).accepted
        assert not node.write(pattern=2)


def test_what_changes_between_look_and_answer_is_looked_at_again(
    alice: TokenRest, operator: Operator, cluster: Cluster
) -> None:
    """Moved to another node by somebody who may, which logs in: the answer is about that one."""
    volume = alice.volume(volume_type=operator.backend.name)
    attachment = alice.attach(volume, instance_uuid=INSTANCE)["id"]
    operator.faults.set(LOOKED, "pause")
    with asking(alice, attachment) as answers:
        operator.faults.wait_reached(LOOKED)
        cluster.patch("Attachment", attachment, {"spec": {"connector": {"initiator": NODE_2, "host": "other"}}})
        operator.faults.go(LOOKED)
    assert answers[0].status == 200
    assert cluster.get("Attachment", attachment) is None


def test_two_facades_that_ask_at_once_both_learn_it(
    alice: TokenRest, operator: Operator, cluster: Cluster, stack: Stack, keystone: Keystone, audit_log: AuditLog
) -> None:
    _, attachment, way = used(alice, volume_type=operator.backend.name)
    with second_door(stack, keystone) as door, Initiator(way) as node:
        assert node.write(pattern=1)
        other = TokenRest(door.url, None, keystone.token("alice", "demo"))
        operator.faults.set(LOOKED, "pause")
        mark = audit_log.mark()
        with asking(alice, attachment) as first:
            operator.faults.wait_reached(LOOKED)
            asked, _ = look_of(cluster, attachment)
            with asking(other, attachment) as second:
                wait_for(lambda: look_of(cluster, attachment)[0] != asked, what="the other has asked too")
                operator.faults.go(LOOKED)
        assert [a.message for a in (*first, *second)] == [REFUSAL, REFUSAL]
        # One answer, to the later request: what was seen for the first was not written.
        assert writes_to(audit_log, mark, attachment, names.FACADE_ACCOUNT) == {("patch", ""): 2}
        assert look_of(cluster, attachment)[1]["sessionsLook"]["request"] != asked
        assert node.write(pattern=2)
    wait_for(lambda: delete(alice, attachment).status == 200, what="permitted after the logout")


@contextmanager
def second_door(stack: Stack, keystone: Keystone) -> Iterator[RunningFacade]:
    password = write_private(stack.folder / "kp-second", User("fairlead", "", "").password)
    options = ("--auth", "keystone", "--keystone-url", keystone.url, "--keystone-password-file", str(password))
    with facade(stack, "facade-keystone-second", *options) as running:
        yield running


def test_a_node_whose_target_came_back_may_be_on_its_way_back(alice: TokenRest, operator: Operator) -> None:
    """Its session broke with the target, not by a logout."""
    _, attachment, way = used(alice, volume_type=operator.backend.name)
    before = operator.backend.targets()[way.target]
    operator.backend.remove_targets()
    wait_for(lambda: operator.backend.targets().get(way.target, before) != before, what="the export was made again")
    answer = delete(alice, attachment)
    assert answer.fault == (409, "conflictingRequest")
    assert "the export had to be made again" in answer.message
    assert login(way).accepted
