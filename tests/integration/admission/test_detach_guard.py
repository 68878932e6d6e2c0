"""Nobody cuts a node off by accident: deleting and disconnecting Attachments in use."""

from typing import Any

import pytest
from kubernetes import client

from admission_place import CALLERS, CONNECTOR, DETACHERS, Place
from fairlead_crds import names
from waiting import wait_for

USED: dict[str, tuple[str, dict[str, Any]]] = {
    "exported": ("Exported", {"connector": CONNECTOR}),
    "exported for an instance": ("Exported", {"connector": CONNECTOR, "instanceID": "i-1"}),
    "exported by node name": ("Exported", {"nodeName": "node-1"}),
    "completed": ("Completed", {"connector": CONNECTOR, "completed": True}),
    "completed for an instance": ("Completed", {"connector": CONNECTOR, "instanceID": "i-1", "completed": True}),
}


@pytest.mark.parametrize("phase", ["Pending", "Reserved", "Exporting", "Detaching", "Rejected"])
def test_anybody_deletes_an_attachment_that_is_not_in_use(place: Place, phase: str) -> None:
    place.attachment("a", phase)
    assert place.let_through(place.deleting("a")) == CALLERS


def test_anybody_deletes_an_attachment_without_status(place: Place) -> None:
    place.create("attachments", "a")
    assert place.let_through(place.deleting("a")) == CALLERS


@pytest.mark.parametrize("use", USED)
def test_an_attachment_in_use_is_deleted_only_by_those_who_may_force_detach(place: Place, use: str) -> None:
    phase, spec = USED[use]
    place.attachment("a", phase, **spec)
    assert place.let_through(place.deleting("a")) == DETACHERS


def test_a_refused_deletion_names_the_holder_and_the_way_out(place: Place) -> None:
    place.attachment("a", "Completed", instanceID="i-1", connector=CONNECTOR, completed=True)
    assert (
        "attachment a is in use: volume v is exported to node-1 for instance i-1. Detach it where the instance is "
        f"managed, or ask someone who may force-detach attachments in namespace {place.namespace}"
    ) in place.deleting("a")(place.edit).message


def test_a_refused_deletion_tells_an_owner_without_instance_how_to_let_go(place: Place) -> None:
    place.attachment("a", "Exported", connector=CONNECTOR)
    assert (
        "attachment a is in use: volume v is exported to node-1. Let the node log out, unset spec.connector and "
        "spec.nodeName, and delete it once it is Reserved"
    ) in place.deleting("a")(place.edit).message


def test_deleting_all_spares_what_is_in_use(place: Place) -> None:
    place.attachment("free", "Reserved")
    place.attachment("used", "Exported", connector=CONNECTOR)
    answer = place.edit.send("DELETE", place.path("attachments"))
    assert answer.status == 403
    assert "attachment used is in use" in answer.message
    assert place.edit.send("GET", place.path("attachments", "used")).ok


def test_a_deletion_under_way_may_be_asked_for_again(place: Place) -> None:
    place.create("attachments", "a", finalizers=[names.FINALIZER])
    assert place.admin.patch(place.path("attachments", "a", status=True), {"status": {"phase": "Exported"}}).ok
    assert place.admin.send("DELETE", place.path("attachments", "a")).ok
    assert place.let_through(place.deleting("a")) == CALLERS


TAKING_BACK: dict[str, dict[str, Any]] = {
    "no connector": {"connector": None},
    "another connector": {"connector": {"host": "node-2"}},
    "a node's name instead": {"connector": None, "nodeName": "node-2"},
    "not completed": {"completed": False},
}


@pytest.mark.parametrize("change", TAKING_BACK)
def test_an_instances_connection_is_taken_back_only_by_those_who_may_force_detach(place: Place, change: str) -> None:
    phase, spec = USED["completed for an instance"]
    place.attachment("a", phase, **spec)
    assert place.let_through(place.patching("attachments", "a", {"spec": TAKING_BACK[change]})) == DETACHERS


def test_completion_guards_before_the_operator_has_seen_it(place: Place) -> None:
    place.attachment("a", "Exported", connector=CONNECTOR, instanceID="i-1", completed=True)
    assert place.let_through(place.patching("attachments", "a", {"spec": {"connector": None}})) == DETACHERS


@pytest.mark.parametrize("use", ["exported", "exported for an instance", "completed"])
def test_others_let_go_by_unsetting_the_connector(place: Place, use: str) -> None:
    phase, spec = USED[use]
    place.attachment("a", phase, **spec)
    change = {"spec": {"connector": None, "completed": False}}
    assert place.let_through(place.patching("attachments", "a", change)) == CALLERS


def test_the_guard_leaves_other_fields_of_an_attachment_in_use_alone(place: Place) -> None:
    phase, spec = USED["completed for an instance"]
    place.attachment("a", phase, **spec)
    change = {"metadata": {"labels": {"team": "x"}}, "spec": {"detachPolicy": "WaitForLogout"}}
    assert place.let_through(place.patching("attachments", "a", change)) == CALLERS


def test_deleting_a_namespace_takes_attachments_in_use_with_it(guarded: client.ApiClient, place: Place) -> None:
    place.attachment("a", "Exported", connector=CONNECTOR)
    core = client.CoreV1Api(guarded)
    core.delete_namespace(place.namespace)
    wait_for(
        lambda: all(item.metadata.name != place.namespace for item in core.list_namespace().items),
        timeout=60,
        what="the namespace is gone",
    )


def test_the_garbage_collector_deletes_an_attachment_in_use_with_its_owner(
    guarded: client.ApiClient, place: Place
) -> None:
    core = client.CoreV1Api(guarded)
    meta = client.V1ObjectMeta(name="owner")
    owner = core.create_namespaced_config_map(place.namespace, client.V1ConfigMap(metadata=meta))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.metadata.uid}
    place.create("attachments", "a", ownerReferences=[reference])
    assert place.admin.patch(place.path("attachments", "a", status=True), {"status": {"phase": "Exported"}}).ok
    core.delete_namespaced_config_map("owner", place.namespace)
    wait_for(
        lambda: place.admin.send("GET", place.path("attachments", "a")).status == 404,
        timeout=60,
        what="the attachment is gone",
    )
