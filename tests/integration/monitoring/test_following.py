"""One request followed by its id and by its trace, through both processes and the object between them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster import Cluster
from collector import Collector, collector
from facades import facade
from fairlead_crds import names
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.scratch import ScratchFolder
from own_backend import OwnBackend
from rest import Rest
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"


class Followed:
    """An operator and a facade that say what they do."""

    def __init__(self, own: OwnBackend, rest_url: str, collected: Collector, facade_log: Path) -> None:
        self.own, self.rest_url, self.collected = own, rest_url, collected
        self._logs = {"operator": own.stack.folder / "operator.log", "facade": facade_log}

    def lines(self, process: str, **fields: str) -> list[dict[str, Any]]:
        """The JSON lines of a process that have these fields."""
        found = [json.loads(line) for line in self._logs[process].read_text().splitlines() if line.startswith("{")]
        return [line for line in found if fields.items() <= line.items()]

    def written(self, request: str) -> list[dict[str, Any]]:
        """The facade's line about a request, which comes after its answer."""
        found = {"request_id": request, "logger": "fairlead.requests"}
        return wait_for(lambda: self.lines("facade", **found), what=f"the line of {request}")


@pytest.fixture(scope="module")
def followed(control_plane: ControlPlane) -> Iterator[Followed]:
    with ScratchFolder("followed") as scratch, collector() as (endpoint, collected):
        own = OwnBackend(control_plane, scratch.path)
        options = ("--otlp-endpoint", endpoint, "--log-format", "json")
        try:
            own.start(more=options)
            own.wait_ready()
            with facade(own.stack, "followed", *options) as running:
                yield Followed(own, running.url, collected, running.process.log_path)
        finally:
            own.remove()


@pytest.fixture
def rest(followed: Followed, namespace: str) -> Rest:
    return Rest(followed.rest_url, namespace)


def test_a_request_id_leads_from_the_answer_to_the_operators_lines(
    followed: Followed, rest: Rest, cluster: Cluster
) -> None:
    """Through the POST that reserves and the PUT that connects, each with an id of its own and no write of its own."""
    volume = rest.volume(volume_type=followed.own.name)
    made = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}})
    attachment = made.body["attachment"]["id"]
    put = {"attachment": {"connector": {"initiator": NODE, "host": "node"}}}
    connected = rest.send("PUT", f"/attachments/{attachment}", put)
    for answer in (made, connected):
        request = answer.headers["x-openstack-request-id"]
        [line] = followed.written(request)
        assert line["status"] == answer.status
        seen = followed.lines("operator", request_id=request, object=f"Attachment {cluster.namespace}/{attachment}")
        assert seen, request
        assert {line["backend"] for line in seen} == {followed.own.name}
    item = cluster.get("Attachment", attachment)
    assert item is not None
    assert item["metadata"]["annotations"][names.ANNOTATION_REQUEST_ID] == connected.headers["x-openstack-request-id"]
    # The connector is the only thing that was written since the POST.
    assert item["metadata"]["generation"] == 2
    rest.detach(attachment)


def test_one_trace_spans_facade_operator_and_driver(followed: Followed, rest: Rest) -> None:
    volume = rest.volume(volume_type=followed.own.name)
    answer = rest.send(
        "POST",
        "/attachments",
        {"attachment": {"volume_uuid": volume, "connector": {"initiator": NODE, "host": "node"}}},
    )
    assert answer.status == 202, answer.body
    request = answer.headers["x-openstack-request-id"]
    [line] = followed.written(request)
    trace = line["trace_id"]
    wanted = {
        ("fairlead-api", "POST /v3/attachments"),
        ("fairlead-api", "wait for operator"),
        ("fairlead-operator", "reconcile Attachment"),
        ("fairlead-operator", "driver create_export"),
        ("fairlead-operator", "driver get_export"),
    }
    wait_for(lambda: _all_there(followed.collected.names(trace), wanted), what=f"trace {trace} is whole")
    spans = {span.name: span for _, span in followed.collected.traces[trace]}
    assert spans["reconcile Attachment"].parent_span_id == spans["POST /v3/attachments"].span_id
    assert {span.span_id for _, span in followed.collected.traces[trace] if span.name == "reconcile Attachment"} >= {
        spans["driver create_export"].parent_span_id
    }
    password = answer.body["attachment"]["connection_info"]["auth_password"]
    assert password.encode() not in followed.collected.everything
    assert not any(password in json.dumps(line) for line in [*followed.lines("operator"), *followed.lines("facade")])
    rest.detach(answer.body["attachment"]["id"])


def test_a_caller_that_traces_has_our_spans_in_its_trace(followed: Followed, rest: Rest) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    rest.send("GET", "/volumes", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    wait_for(lambda: ("fairlead-api", "GET /v3/volumes") in followed.collected.names(trace), what="it is there")


def _all_there(found: set[tuple[str, str]], wanted: set[tuple[str, str]]) -> bool:
    assert wanted <= found, found
    return True
