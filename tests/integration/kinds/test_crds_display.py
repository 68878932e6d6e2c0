"""How kubectl finds, shows, selects and explains each kind."""

from typing import Any

import pytest
from kubernetes import client

from fairlead_crds import names
from fairlead_crds.kinds import KINDS, Attachment, Backend, NodeConnector, Volume
from plain_requests import Caller
from stored_objects import API, FULL, Objects


def test_every_kind_is_found_by_category_and_short_name(admin: client.ApiClient) -> None:
    found = Caller(admin).send("GET", API).body["resources"]
    kinds = {resource["name"]: resource for resource in found if "/" not in resource["name"]}
    assert {name: resource["categories"] for name, resource in kinds.items()} == {
        kind.plural: ["fairlead"] for kind in KINDS
    }
    assert {name: resource["shortNames"] for name, resource in kinds.items()} == {
        "backends": ["flbe"],
        "volumes": ["flvol"],
        "attachments": ["flatt"],
        "nodeconnectors": ["flnc"],
    }
    assert {f"{kind.plural}/status" for kind in KINDS} == {r["name"] for r in found if "/" in r["name"]}


COLUMNS: dict[str, tuple[list[str], list[str], dict[str, Any]]] = {
    Backend.plural: (
        ["Name", "Driver", "Default", "Ready", "Reason", "Age"],
        ["Protocol", "Total", "Free", "Holder"],
        {
            "Driver": "iscsi-tgt",
            "Default": True,
            "Ready": "True",
            "Reason": "Serving",
            "Total": 2**50,
            "Holder": "pod-1",
        },
    ),
    Volume.plural: (
        ["Name", "Size", "Phase", "Backend", "Holder", "Age"],
        ["Ready", "Reason", "Multi", "Display Name"],
        {"Size": "10Gi", "Phase": "Held", "Backend": "b", "Holder": "a1", "Multi": True, "Display Name": "n"},
    ),
    Attachment.plural: (
        ["Name", "Volume", "Phase", "Mode", "Host", "Instance", "Age"],
        ["Admitted", "Exported", "Target", "Initiator"],
        {"Volume": "v", "Phase": "Completed", "Mode": "ReadOnly", "Host": "node-1", "Target": "t"},
    ),
    NodeConnector.plural: (
        ["Name", "Host", "IP", "Initiator", "Seen", "Age"],
        ["NQN"],
        {"Host": "node-1", "IP": "10.0.0.1", "Initiator": "iqn.1994-05.com.redhat:1"},
    ),
}


@pytest.mark.parametrize("plural", COLUMNS)
def test_kubectl_get_shows_what_matters(objects: Objects, plural: str) -> None:
    spec, status = FULL[plural]
    objects.created(plural, spec)
    path = objects.path(plural, objects.namespace, status=True)
    assert objects.caller.patch(path, {"status": status}).ok
    table = objects.table(plural, fieldSelector=f"metadata.name={objects.namespace}")
    columns = table["columnDefinitions"]
    narrow, wide, cells = COLUMNS[plural]
    assert [column["name"] for column in columns if column["priority"] == 0] == narrow
    assert [column["name"] for column in columns if column["priority"] > 0] == wide
    shown = dict(zip((column["name"] for column in columns), table["rows"][0]["cells"], strict=True))
    assert shown.items() >= cells.items()


def selected(objects: Objects, plural: str, selector: str) -> set[str]:
    answer = objects.caller.send("GET", objects.path(plural), fieldSelector=selector)
    assert answer.ok, answer.message
    return {item["metadata"]["name"] for item in answer.body["items"]}


def test_attachments_are_selected_by_volume_instance_node_and_phase(objects: Objects) -> None:
    objects.created("attachments", {"volumeName": "v", "instanceID": "i", "nodeName": "n"}, name="full")
    objects.created("attachments", {"volumeName": "w"}, name="bare")
    status = {"phase": "Exported", "backendName": "b", "host": "h"}
    assert objects.caller.patch(objects.path("attachments", "full", status=True), {"status": status}).ok
    for selector in (
        "spec.volumeName=v", "spec.instanceID=i", "spec.nodeName=n",
        "status.phase=Exported", "status.backendName=b", "status.host=h",
    ):  # fmt: skip
        assert selected(objects, "attachments", selector) == {"full"}
    assert selected(objects, "attachments", "spec.instanceID=") == {"bare"}
    assert selected(objects, "attachments", "status.phase!=Exported,spec.volumeName=w") == {"bare"}


def test_volumes_are_selected_by_backend_and_phase(objects: Objects) -> None:
    objects.created("volumes", {"size": 1, "backendName": "b"}, name="one")
    objects.created("volumes", {"size": 1, "backendName": "c"}, name="two")
    status = {"phase": "Available", "backendName": "c"}
    assert objects.caller.patch(objects.path("volumes", "two", status=True), {"status": status}).ok
    assert selected(objects, "volumes", "spec.backendName=b") == {"one"}
    assert selected(objects, "volumes", "status.backendName=c,status.phase=Available") == {"two"}


def test_every_field_is_explained(admin: client.ApiClient) -> None:
    document = Caller(admin).send("GET", f"/openapi/v3/apis/{names.API_VERSION}").body
    for kind in KINDS:
        schema = document["components"]["schemas"][f"dev.fairlead.{names.VERSION}.{kind.kind}"]
        for part in ("spec", "status"):
            fields = schema["properties"][part]["properties"]
            assert fields
            assert all(field["description"] for field in fields.values())
