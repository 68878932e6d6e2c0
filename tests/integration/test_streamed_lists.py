"""Lists streamed from the API server's watch cache, and an API server that cannot do that."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from asked_rights import Asked
from fairlead_crds import names
from fairlead_devstack.api_client import connect
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack, wait_for_backend
from iscsi import login
from rest import Rest, access

PROJECT = "lists"
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
