"""What ends a tenant, and what must not: the guard with a live node behind it, and the deletion of a namespace."""

import uuid
from collections.abc import Iterator

import pytest
from kubernetes import client

from accounts import Account, Accounts, Grant
from cluster import Cluster
from fairlead_crds import names
from fairlead_devstack.stack import Stack
from iscsi import Access, Initiator, login
from rest import NODE_1, Rest, access
from waiting import wait_for

INSTANCE = "a7816a4b-fe9d-4767-99eb-38bb87113407"
EDIT = [
    Grant(verb, plural)
    for plural in ("volumes", "attachments")
    for verb in ("get", "list", "create", "update", "patch", "delete", "deletecollection")
]


@pytest.fixture
def editor(
    stack: Stack, admin: client.ApiClient, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    """Somebody with what the role `edit` gives."""
    accounts = Accounts(admin, stack.control_plane.kubeconfig, tmp_path_factory.mktemp("accounts"), namespace)
    yield accounts.make("editor", EDIT)
    accounts.close()


def _path(namespace: str, plural: str, name: str = "") -> str:
    base = f"/apis/{names.API_VERSION}/namespaces/{namespace}/{plural}"
    return f"{base}/{name}" if name else base


@pytest.fixture
def used(cluster: Cluster) -> Iterator[Access]:
    """An attachment `mine` for an instance, and a node logged in."""
    cluster.volume("data")
    cluster.attach("mine", "data", NODE_1, instanceID=INSTANCE, completed=True)
    way = cluster.access(
        cluster.wait(
            "Attachment",
            "mine",
            lambda item: item["status"]["phase"] == "Completed" and "connectionInfo" in item["status"],
            "completed",
        ),
        NODE_1,
    )
    with Initiator(way):
        yield way


def test_an_editor_cannot_cut_a_live_node_off_by_kubectl(editor: Account, cluster: Cluster, used: Access) -> None:
    mine, all_ = _path(cluster.namespace, "attachments", "mine"), _path(cluster.namespace, "attachments")
    kubectl = editor.kubectl
    handle = {"metadata": {"annotations": {names.ANNOTATION_HANDLE: "other"}}}
    for answer in (
        kubectl.send("DELETE", mine),
        kubectl.send("DELETE", mine, {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}),
        kubectl.send("DELETE", all_),
        kubectl.patch(mine, {"metadata": {"finalizers": None}}),
        kubectl.patch(mine, {"spec": {"connector": None}}),
        kubectl.patch(mine, {"spec": {"completed": False}}),
        kubectl.patch(f"{mine}/status", {"status": {"phase": "Reserved"}}),
        kubectl.patch(mine, handle),
    ):
        assert answer.status == 403, answer.body
    assert login(used).accepted


def test_neither_does_deleting_its_volume(editor: Account, cluster: Cluster, used: Access) -> None:
    """The Volume goes when nobody holds it."""
    assert editor.kubectl.send("DELETE", _path(cluster.namespace, "volumes", "data")).ok
    assert login(used).accepted
    volume = cluster.get("Volume", "data")
    assert volume is not None
    assert volume["metadata"]["deletionTimestamp"]


def test_deleting_a_namespace_detaches_everything_and_nothing_stays_stuck(
    stack: Stack, admin: client.ApiClient
) -> None:
    """With REST's and kubectl's attachments, exported, reserved and waiting, and a node that is logged in."""
    core = client.CoreV1Api(admin)
    name = f"test-{uuid.uuid4().hex[:10]}"
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=name)))
    rest, cluster = Rest(stack.facade_url, name), Cluster(admin, name)
    by_rest = wait_for(lambda: rest.volume(), what="the project is known")
    exported = rest.attach(by_rest, instance_uuid=INSTANCE)
    rest.complete(exported["id"])
    rest.reserve(rest.volume())
    cluster.volume("data")
    cluster.attach("mine", "data", NODE_1)
    cluster.wait_exported("mine")
    cluster.attach("waits", "data", "iqn.2026-11.org.example:other")
    with Initiator(access(exported)):
        core.delete_namespace(name)
        wait_for(
            lambda: all(item.metadata.name != name for item in core.list_namespace().items),
            timeout=90,
            what="the namespace is gone",
        )
    assert not login(access(exported)).accepted
    data = stack.data_dirs["local"]
    assert not list(data.rglob(f"*{by_rest}*")), "the volume's data are left behind"
    wait_for(lambda: rest.get(f"/volumes/{by_rest}").status == 404, what="REST has forgotten it")


def test_data_that_are_already_there_are_not_adopted_through_rest(stack: Stack, namespace: str) -> None:
    rest = Rest(stack.facade_url, namespace)
    body = {"volume": {"host": "local", "ref": {"source-name": "somebody-elses"}, "name": "mine"}}
    assert rest.send("POST", "/manageable_volumes", body).status == 404
    assert rest.send("POST", "/os-volume-manage", body).status == 404
    sneaky = {"volume": {"size": 1, "source": {"handle": "somebody-elses"}}}
    assert rest.send("POST", "/volumes", sneaky).fault == (400, "badRequest")


def test_an_editor_does_not_adopt_by_kubectl(editor: Account, namespace: str) -> None:
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "Volume",
        "metadata": {"name": "taken"},
        "spec": {"size": "64Mi", "source": {"handle": "somebody-elses"}},
    }
    answer = editor.kubectl.send("POST", _path(namespace, "volumes"), body)
    assert answer.status == 403
    assert "needs the verb adopt on backends" in answer.message
