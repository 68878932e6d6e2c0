"""Bad input gets a clear error in the door's own way, and changes nothing."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster, condition, holders, reason
from fairlead_crds import names
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack
from fairlead_operator.drivers.tgt_process import find_tgtd
from own_backend import OwnBackend
from rest_door import RestDoor
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node-1"
UNKNOWN = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def rest(stack: Stack, namespace: str) -> RestDoor:
    return RestDoor(stack.facade_url, namespace)


# --- the Kubernetes door ---------------------------------------------------------------------------------------------


def test_an_attachment_of_an_unknown_volume_says_so_and_attaches_when_the_volume_comes(cluster: Cluster) -> None:
    cluster.attach("mine", "missing", NODE)
    waiting = cluster.wait("Attachment", "mine", lambda a: condition(a, "Admitted") == "False", "told")
    assert reason(waiting, "Admitted")[0] == "VolumeNotFound"
    assert "'missing'" in reason(waiting, "Admitted")[1]

    cluster.volume("missing")
    cluster.wait_exported("mine")


@pytest.mark.parametrize(
    ("kind", "spec", "expected"),
    [
        ("Volume", {"size": "ten gigs"}, "size must be a positive quantity"),
        ("Volume", {"size": "0"}, "size must be a positive quantity"),
        ("Volume", {}, "spec.size: Required value"),
        ("Attachment", {"connector": {}}, "spec.volumeName: Required value"),
        (
            "Attachment",
            {"volumeName": "v", "connector": {"initiator": NODE}, "nodeName": "n"},
            "connector and nodeName exclude each other",
        ),
        ("Attachment", {"volumeName": "v", "conflictPolicy": "Maybe"}, 'Unsupported value: \\"Maybe\\"'),
    ],
    ids=["size-no-quantity", "size-zero", "no-size", "no-volume", "connector-and-node", "policy"],
)
def test_the_api_server_refuses_what_the_schema_forbids(
    cluster: Cluster, kind: str, spec: dict[str, Any], expected: str
) -> None:
    with pytest.raises(client.ApiException) as refused:
        cluster.create(kind, "bad", spec)
    assert refused.value.status == 422
    assert expected in refused.value.body
    assert cluster.get(kind, "bad") is None


def test_a_volume_does_not_shrink(cluster: Cluster) -> None:
    before = cluster.volume("data", "64Mi")
    with pytest.raises(client.ApiException) as refused:
        cluster.patch("Volume", "data", {"spec": {"size": "32Mi"}})
    assert "size may only grow" in refused.value.body
    after = cluster.get("Volume", "data")
    assert after is not None
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_a_connector_without_an_initiator_is_named_and_mended(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.create("Attachment", "mine", {"volumeName": "data", "connector": {"host": "node-1"}})
    told = cluster.wait("Attachment", "mine", lambda a: condition(a, "Exported") == "False", "told")
    assert reason(told, "Exported") == ("IncompleteConnector", "Connector doesn't have required information: initiator")

    cluster.patch("Attachment", "mine", {"spec": {"connector": {"initiator": NODE}}})
    cluster.wait_exported("mine")


def test_a_waiter_ends_with_its_volume_and_never_attaches_to_a_namesake(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("first", "data", NODE)
    cluster.wait_exported("first")
    cluster.attach("second", "data", NODE)
    cluster.wait("Attachment", "second", lambda a: reason(a, "Admitted")[0] == "VolumeInUse", "waits")

    cluster.delete("Volume", "data")
    cluster.delete("Attachment", "first")
    cluster.wait_gone("Volume", "data")
    cluster.volume("data")

    ended = cluster.wait("Attachment", "second", lambda a: a["status"]["phase"] == "Rejected", "ended")
    assert reason(ended, "Admitted")[0] == "VolumeDeleted"
    again = cluster.get("Volume", "data")
    assert again is not None
    assert holders(again) == []


def test_an_unknown_backend_is_said_on_the_volume_and_its_attachment(cluster: Cluster) -> None:
    cluster.create("Volume", "data", {"size": "1Mi", "backendName": "nowhere"})
    cluster.attach("mine", "data", NODE)
    told = cluster.wait("Volume", "data", lambda v: condition(v, "Ready") == "False", "told")
    assert reason(told, "Ready")[0] == "UnknownBackend"
    assert "'nowhere' does not exist" in reason(told, "Ready")[1]
    assert "local" in reason(told, "Ready")[1]
    waiting = cluster.wait("Attachment", "mine", lambda a: condition(a, "Admitted") == "False", "told")
    assert reason(waiting, "Admitted")[0] == "UnknownBackend"
    cluster.delete("Attachment", "mine")
    cluster.delete("Volume", "data")
    cluster.wait_gone("Volume", "data")


@pytest.mark.parametrize(
    ("spec", "expected_reason", "expected"),
    [
        ({"driver": "floppy"}, "UnknownDriver", "there is no driver 'floppy'; installed: "),
        ({"driver": "iscsi-tgt", "parameters": {}}, "InvalidParameters", "parameters.dataDir: Field required"),
        (
            {"driver": "iscsi-tgt", "parameters": {"dataDir": "/tmp/x", "port": 99999}},
            "InvalidParameters",
            "parameters.port: ",
        ),
        (
            {"driver": "iscsi-tgt", "parameters": {"dataDir": "relative"}},
            "InvalidParameters",
            "is not an absolute path",
        ),
    ],
    ids=["driver", "missing", "port", "path"],
)
def test_a_backend_that_cannot_be_served_says_why(
    stack: Stack, admin: client.ApiClient, namespace: str, spec: dict[str, Any], expected_reason: str, expected: str
) -> None:
    objects = client.CustomObjectsApi(admin)
    body = {
        "apiVersion": names.API_VERSION,
        "kind": "Backend",
        "metadata": {"name": namespace},
        "spec": spec,
    }
    objects.create_cluster_custom_object(names.GROUP, names.VERSION, "backends", body)

    def told() -> tuple[str, str] | None:
        found: Any = objects.get_cluster_custom_object(names.GROUP, names.VERSION, "backends", namespace)
        return reason(found, "Ready") if condition(found, "Ready") == "False" else None

    try:
        why, message = wait_for(told, what="the Backend says why it is not ready")
        assert why == expected_reason
        assert expected in message
    finally:
        objects.delete_cluster_custom_object(names.GROUP, names.VERSION, "backends", namespace)


# --- the REST door ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "fault", "expected"),
    [
        (
            "POST",
            "/attachments",
            {"attachment": {"volume_uuid": UNKNOWN}},
            404,
            "itemNotFound",
            f"Volume {UNKNOWN} could not be found.",
        ),
        ("POST", "/volumes", {"volume": {"size": "ten"}}, 400, "badRequest", "size"),
        ("POST", "/volumes", {"volume": {"size": 1, "colour": "blue"}}, 400, "badRequest", "colour"),
        ("POST", "/volumes", {"volume": {"size": 1, "volume_type": "nowhere"}}, 404, "itemNotFound", "nowhere"),
        ("POST", "/attachments", b'{"attachment": {', 400, "badRequest", "Malformed request body"),
        ("POST", "/attachments", {"attachment": {"volume_uuid": 7}}, 400, "badRequest", "volume_uuid"),
        ("POST", "/attachments", {"attachment": {}, "more": 1}, 400, "badRequest", "more"),
        ("PUT", f"/attachments/{UNKNOWN}", {"attachment": {"connector": {"host": "h"}}}, 404, "itemNotFound", UNKNOWN),
    ],
    ids=["volume", "size", "field", "type", "json", "uuid", "top-level", "attachment"],
)
def test_rest_refuses_in_its_own_words(
    rest: RestDoor, method: str, path: str, body: Any, status: int, fault: str, expected: str
) -> None:
    answer = rest.send(method, path, body)
    assert answer.status == status, answer.body
    assert answer.fault[0] == fault
    assert expected in answer.fault[1]
    assert rest.send("GET", "/volumes").body == {"volumes": []}
    assert rest.send("GET", "/attachments").body == {"attachments": []}


def test_rest_refuses_a_body_that_is_too_large(rest: RestDoor) -> None:
    answer = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": "x" * 120_000}})
    assert answer.status == 413


@pytest.mark.parametrize("reserve", [False, True], ids=["create", "update"])
def test_rest_names_the_missing_connector_key_and_rolls_back(rest: RestDoor, reserve: bool) -> None:
    volume = rest.volume("data")
    if reserve:
        attachment = rest.attach(volume).body["attachment"]["id"]
        answer = rest.send("PUT", f"/attachments/{attachment}", {"attachment": {"connector": {"host": "h"}}})
    else:
        body = {"attachment": {"volume_uuid": volume, "connector": {"host": "h"}}}
        answer = rest.send("POST", "/attachments", body)
    assert answer.status == 400, answer.body
    assert "initiator" in answer.fault[1]
    left = [a["status"] for a in rest.send("GET", "/attachments").body["attachments"]]
    assert left == (["reserved"] if reserve else [])
    assert rest.volume_status(volume) == ("reserved" if reserve else "available")


def test_rest_refuses_to_attach_a_volume_that_is_being_deleted(rest: RestDoor, cluster: Cluster) -> None:
    volume = rest.volume("data")
    assert rest.attach(volume, NODE).status == 202
    # Held by its attachment, so it stays in `deleting` for as long as we look.
    cluster.delete("Volume", volume)
    answer = wait_for(lambda: _if_status(rest.attach(volume, NODE), 400), what="the deletion is seen")
    assert answer.fault[0] == "badRequest"
    assert "deleting" in answer.fault[1]


def _if_status(answer: Any, status: int) -> Any:
    assert answer.status in (status, 202)
    return answer if answer.status == status else None


# --- a backend that cannot work --------------------------------------------------------------------------------------


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 4 MiB."""
    with ScratchFolder("small-disk") as scratch:
        folder = scratch.path / "disk"
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_on_the_volume_and_no_half_volume_is_left(
    own_backend: OwnBackend, admin: client.ApiClient, namespace: str, small_disk: Path
) -> None:
    own_backend.stack.add_backend(own_backend.name, parameters={"dataDir": str(small_disk)})
    own_backend.start()
    try:
        own_backend.wait_ready()
        cluster = Cluster(admin, namespace)
        cluster.create("Volume", "big", {"size": "1Gi", "backendName": own_backend.name})
        told = cluster.wait("Volume", "big", lambda v: v["status"]["phase"] == "Failed", "failed")
        assert reason(told, "Ready")[0] == "OutOfSpace"
        assert list((small_disk / "volumes").glob("*.img")) == []
        cluster.volume("small", "1Mi", backendName=own_backend.name)
        for name in ("big", "small"):
            cluster.delete("Volume", name)
            cluster.wait_gone("Volume", name)
    finally:
        own_backend.stop(small_disk)


def _without(program: str) -> tuple[str, ...]:
    """A launcher in whose eyes that program is not installed: something that cannot be run is mounted over it."""
    rights = ("--mount",) if os.geteuid() == 0 else ("--map-root-user", "--mount")
    return ("unshare", *rights, "sh", "-c", f'mount --bind /dev/null {program} && exec "$@"', "sh")


def test_without_tgtd_the_backend_names_the_package_and_attachments_wait_with_the_reason(
    own_backend: OwnBackend, admin: client.ApiClient, namespace: str
) -> None:
    with ScratchFolder("no-tgtd") as scratch:
        own_backend.stack.add_backend(own_backend.name, parameters={"dataDir": str(scratch.path / "data")})
        own_backend.start(launcher=_without(find_tgtd()))
        try:
            cluster = Cluster(admin, namespace)
            cluster.create("Volume", "data", {"size": "1Mi", "backendName": own_backend.name})
            objects = client.CustomObjectsApi(admin)

            def told(look: Callable[[], Any]) -> tuple[str, str] | None:
                found = look()
                return reason(found, "Ready") if condition(found, "Ready") == "False" else None

            place = (names.GROUP, names.VERSION, "backends", own_backend.name)
            why, message = wait_for(lambda: told(lambda: objects.get_cluster_custom_object(*place)), what="told")
            assert why == "DriverUnavailable"
            assert "tgt" in message
            assert "install" in message
            about = f"involvedObject.kind=Backend,involvedObject.name={own_backend.name}"
            core = client.CoreV1Api(admin)
            events = wait_for(
                lambda: core.list_namespaced_event("default", field_selector=about).items,
                what="an Event on the Backend",
            )
            assert {e.reason for e in events} == {"DriverUnavailable"}
            why, message = wait_for(lambda: told(lambda: cluster.get("Volume", "data")), what="told on the Volume")
            assert why == "BackendNotReady"
            assert "install" in message
        finally:
            own_backend.stop(scratch.path / "data")
