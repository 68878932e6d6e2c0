"""The process: its port, its end, its replicas, its projects."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_crds import names
from fairlead_devstack.stack import Stack
from iscsi import login
from rest import NODE_1, Rest, access
from waiting import wait_for


@contextmanager
def facade(stack: Stack, folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Rest]]:
    """A facade of one's own on any free port."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "fairlead_api.main", "--port", "0", "--port-file", str(port_file), *options]
    kubeconfig = stack.folder / f"{names.FACADE_ACCOUNT}.kubeconfig"
    process = subprocess.Popen(command, env={**os.environ, "KUBECONFIG": str(kubeconfig)})
    try:
        wait_for(port_file.exists, what="the facade serves", timeout=30)
        yield process, Rest(f"http://127.0.0.1:{port_file.read_text().strip()}")
    finally:
        process.kill()
        process.wait()


def test_it_tells_its_port_when_it_serves_and_ends_cleanly(stack: Stack, tmp_path: Path) -> None:
    with facade(stack, tmp_path) as (process, rest):
        assert rest.get("//healthcheck").status == 200
        assert rest.get("/volumes").status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
        assert not (tmp_path / "port").exists()


def test_a_taken_port_is_said(stack: Stack) -> None:
    port = stack.facade_url.rpartition(":")[2]
    kubeconfig = stack.folder / f"{names.FACADE_ACCOUNT}.kubeconfig"
    done = subprocess.run(
        [sys.executable, "-m", "fairlead_api.main", "--port", port],
        env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}" in done.stderr


def test_another_replica_finds_at_once_what_this_one_made(stack: Stack, rest: Rest, tmp_path: Path) -> None:
    with facade(stack, tmp_path) as (_, other):
        for _ in range(10):
            made = rest.ok("POST", "/volumes", {"volume": {"size": 1}}, status=202)["volume"]["id"]
            there = Rest(other.url, rest.project)
            assert there.shown(made)["id"] == made
        volume = rest.volume()
        attachment = rest.reserve(volume)
        there.ok("GET", f"/attachments/{attachment['id']}", status=200)


def test_an_answer_that_does_not_come_in_time_is_rolled_back_and_says_what_for(
    stack: Stack, rest: Rest, cluster: Cluster, tmp_path: Path
) -> None:
    operator = stack.processes["operator"]
    with facade(stack, tmp_path, "--export-timeout", "0.1") as (_, hasty):
        volume = rest.volume()
        impatient = Rest(hasty.url, rest.project)
        operator.stop_signal()
        try:
            answer = impatient.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}})
        finally:
            operator.cont()
        assert answer.fault == (504, "computeFault")
        assert "has not answered within 0.1 s" in answer.message
    wait_for(lambda: cluster.all("Attachment") == [], what="the attachment is rolled back")
    rest.wait_status(volume, "available")


def test_links_name_the_public_endpoint(stack: Stack, rest: Rest, tmp_path: Path) -> None:
    with facade(stack, tmp_path, "--public-endpoint", "https://volume.example/") as (_, public):
        version = public.ok("GET", "//v3/", status=200)["versions"][0]
        assert version["links"][1]["href"] == "https://volume.example/v3/"


# --- projects are namespaces -----------------------------------------------------------------------------------------


def label(admin: client.ApiClient, namespace: str, project: str | None) -> None:
    body = {"metadata": {"labels": {names.LABEL_PROJECT: project}}}
    client.CoreV1Api(admin).patch_namespace(namespace, body)


def test_a_label_makes_a_namespace_a_projects(rest: Rest, admin: client.ApiClient, namespace: str) -> None:
    project = uuid.uuid4().hex
    volume = rest.volume(name="before")
    label(admin, namespace, project)
    by_label = Rest(rest.url, project)
    wait_for(lambda: by_label.get("/volumes").body["volumes"], what="the project's volumes are listed")
    assert by_label.shown(volume)["os-vol-tenant-attr:tenant_id"] == project
    assert Rest(rest.url, namespace).ok("GET", "/volumes", status=200) == {"volumes": []}


def test_a_project_of_two_namespaces_is_refused_and_names_both(
    rest: Rest, admin: client.ApiClient, namespace: str
) -> None:
    project = uuid.uuid4().hex
    other = f"{namespace}-2"
    core = client.CoreV1Api(admin)
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=other)))
    try:
        for name in (namespace, other):
            label(admin, name, project)
        ambiguous = Rest(rest.url, project)
        wait_for(lambda: ambiguous.get("/volumes").status == 409, what="the project is ambiguous")
        answer = ambiguous.send("POST", "/volumes", {"volume": {"size": 1}})
        assert answer.fault == (409, "conflictingRequest")
        assert namespace in answer.message
        assert other in answer.message
    finally:
        core.delete_namespace(other)


@pytest.mark.parametrize("project", ["under_score", "UPPER", "a.b"])
def test_a_project_that_can_be_no_namespace_is_an_unknown_path(rest: Rest, project: str) -> None:
    assert Rest(rest.url, project).get("/volumes").status == 404


# --- the other door --------------------------------------------------------------------------------------------------


def test_what_kubectl_attached_is_detached_through_rest(rest: Rest, cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("mine", "data", NODE_1)
    node = cluster.access(cluster.wait_exported("mine"), NODE_1)
    (shown,) = wait_for(
        lambda: rest.ok("GET", "/attachments/detail", status=200)["attachments"], what="REST shows the attachment"
    )
    assert access(shown).password == node.password
    assert rest.detach(shown["id"]) == []
    assert cluster.get("Attachment", "mine") is None
    assert not login(node).accepted


def test_what_rest_attached_is_detached_through_kubectl(rest: Rest, cluster: Cluster) -> None:
    volume = rest.volume()
    made = rest.attach(volume)
    cluster.delete("Attachment", made["id"])
    cluster.wait_gone("Attachment", made["id"])
    rest.wait_status(volume, "available")
    assert rest.get(f"/attachments/{made['id']}").status == 404
    assert not login(access(made)).accepted
