"""Lists streamed from the API server's watch cache, and an API server that cannot do that, or not to the end."""

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from asked_rights import Asked
from fairlead_crds import names
from fairlead_devstack.api_client import connect
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack, wait_for_backend
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import SECRETS
from fairlead_kube.watching import read_all
from iscsi import login
from rest import Rest, access

PROJECT = "lists"
LARGE, MANY = "A" * 900_000, 40
"""So much in so many objects that no buffer between the API server and its reader holds them."""
WHOLE = {"volumes", "attachments", "backends"}
"""Resources that both processes read whole."""


@pytest.fixture(params=["WatchList=true", "WatchList=false"], ids=["streams", "pages"])
def stack(request: pytest.FixtureRequest, asked: Asked) -> Iterator[Stack]:
    """A running stack whose API server has that feature gate."""
    gate = f"--feature-gates={request.param}"
    with ControlPlane(extra_apiserver_arguments=[gate]) as plane, ScratchFolder("lists") as scratch:
        stack = Stack(plane, scratch.path, lease_duration=2.0, sweep_interval=2.0)
        try:
            stack.install()
            stack.add_backend("local", default=True)
            stack.start_operator()
            stack.start_facade()
            with connect(plane.kubeconfig) as admin:
                wait_for_backend(admin, "local")
                namespace = client.V1Namespace(metadata=client.V1ObjectMeta(name=PROJECT))
                client.CoreV1Api(admin).create_namespace(namespace)
            yield stack
        finally:
            stack.stop()
            asked.add(plane.audit_log)


def test_both_processes_know_everything_either_way(stack: Stack, request: pytest.FixtureRequest) -> None:
    rest = Rest(stack.facade_url, PROJECT)
    volume = rest.volume()
    attached = rest.attach(volume)
    assert login(access(attached)).accepted

    # What is there already is learnt by the list.
    for name in ("facade", "operator"):
        stack.processes[name].terminate()
    mark = stack.control_plane.audit_log.mark()
    stack.start_operator("operator-2")
    stack.start_facade("facade-2")
    rest = Rest(stack.facade_url, PROJECT)
    (shown,) = rest.ok("GET", "/attachments", status=200)["attachments"]
    assert shown["id"] == attached["id"]
    rest.detach(attached["id"])
    assert not login(access(attached)).accepted
    login(access(rest.attach(volume)))

    paged = {
        (entry.user.rpartition(":")[2], entry.resource)
        for entry in stack.control_plane.audit_log.since(mark)
        if entry.verb == "list" and entry.user.startswith("system:serviceaccount:") and entry.resource in WHOLE
    }
    accounts = (names.OPERATOR_ACCOUNT, names.FACADE_ACCOUNT)
    streams = request.node.callspec.id == "streams"
    assert paged == (set() if streams else {(account, resource) for account in accounts for resource in WHOLE})


async def test_a_list_comes_whole_however_much_changes_while_it_is_read(
    admin: client.ApiClient, kubeconfig: Path, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The API server keeps some hundred changes for a reader, and gives up one that is slower than they come."""
    secrets = client.CoreV1Api(admin)

    def secret(name: str, **data: str) -> client.V1Secret:
        return client.V1Secret(metadata=client.V1ObjectMeta(name=name), data=data)

    for number in range(MANY):
        secrets.create_namespaced_secret(namespace, secret(f"large-{number:02d}", blob=LARGE))
    secrets.create_namespaced_secret(namespace, secret("small"))
    read: list[str] = []

    def slowly(body: Mapping[str, Any]) -> Mapping[str, Any]:
        if not read:
            for number in range(1000):
                change = {"metadata": {"annotations": {"example.org/change": str(number)}}}
                secrets.patch_namespaced_secret("small", namespace, change)
        read.append(body["metadata"]["name"])
        return body

    caplog.set_level(logging.INFO, logger="fairlead_kube.watching")
    async with await KubeClient.from_kubeconfig(kubeconfig) as reader:
        listing = await read_all(reader, dataclasses.replace(SECRETS, parse=slowly), namespace)
    assert "the API server ended it" in caplog.text
    found = {item["metadata"]["name"]: item["metadata"].get("annotations") for item in listing.items}
    assert found == {f"large-{number:02d}": None for number in range(MANY)} | {"small": {"example.org/change": "999"}}
    assert int(listing.resource_version) >= max(int(item["metadata"]["resourceVersion"]) for item in listing.items)
    # What had come and has not changed was not read twice.
    unchanged = [name for name in read if name != "small"]
    assert len(unchanged) == len(set(unchanged)) == MANY
