"""What may change in an object and what may not, whichever verb is used."""

from typing import Any

import pytest

from plain_requests import APPLY, JSON_PATCH, MERGE
from stored_objects import CONNECTOR, Objects

NOT_POSITIVE = "spec.size: Invalid value: size must be a positive quantity, such as 10Gi"
TOO_LARGE = "spec.size: Invalid value: size must be less than 8Ei"
CHANGES: list[tuple[str, str, dict[str, Any], dict[str, Any], str]] = [
    ("size shrinks", "volumes", {"size": "10Gi"}, {"size": "9Gi"}, "size may only grow"),
    ("size shrinks in other units", "volumes", {"size": "10Gi"}, {"size": "10G"}, "size may only grow"),
    ("size shrinks to a number", "volumes", {"size": "10Gi"}, {"size": 1}, "size may only grow"),
    ("size becomes no quantity", "volumes", {"size": "10Gi"}, {"size": "x"}, NOT_POSITIVE),
    ("size becomes nothing", "volumes", {"size": "10Gi"}, {"size": "0"}, NOT_POSITIVE),
    ("size becomes negative", "volumes", {"size": "10Gi"}, {"size": "-1"}, NOT_POSITIVE),
    ("size becomes too large", "volumes", {"size": "10Gi"}, {"size": "9Ei"}, TOO_LARGE),
    ("backend changes", "volumes", {"size": 1, "backendName": "b"}, {"backendName": "c"}, "backendName cannot"),
    ("backend goes", "volumes", {"size": 1, "backendName": "b"}, {"backendName": None}, "backendName cannot"),
    ("backend comes", "volumes", {"size": 1}, {"backendName": "b"}, "backendName cannot be changed"),
    ("multiAttach comes", "volumes", {"size": 1}, {"multiAttach": True}, "multiAttach cannot be changed"),
    (
        "multiAttach goes", "volumes", {"size": 1, "multiAttach": True}, {"multiAttach": None},
        "multiAttach cannot be changed",
    ),
    (
        "source changes", "volumes", {"size": 1, "source": {"handle": "a"}}, {"source": {"handle": "b"}},
        "source cannot be changed",
    ),
    ("source goes", "volumes", {"size": 1, "source": {"handle": "a"}}, {"source": None}, "source cannot be changed"),
    ("source comes", "volumes", {"size": 1}, {"source": {"handle": "a"}}, "source cannot be changed"),
    ("volume changes", "attachments", {"volumeName": "v"}, {"volumeName": "w"}, "volumeName cannot be changed"),
    ("volume goes", "attachments", {"volumeName": "v"}, {"volumeName": None}, "spec.volumeName: Required value"),
    (
        "instance changes", "attachments", {"volumeName": "v", "instanceID": "i"}, {"instanceID": "j"},
        "instanceID cannot be changed",
    ),
    (
        "instance goes", "attachments", {"volumeName": "v", "instanceID": "i"}, {"instanceID": None},
        "instanceID cannot be changed",
    ),
    ("instance comes", "attachments", {"volumeName": "v"}, {"instanceID": "i"}, "instanceID cannot be changed"),
    (
        "node name joins a connector", "attachments", {"volumeName": "v", "connector": CONNECTOR}, {"nodeName": "n"},
        "connector and nodeName exclude each other",
    ),
    ("driver changes", "backends", {"driver": "d"}, {"driver": "e"}, "driver cannot be changed"),
]  # fmt: skip


def json_patch(change: dict[str, Any]) -> list[dict[str, Any]]:
    operations: list[dict[str, Any]] = []
    for key, value in change.items():
        target = {"path": f"/spec/{key}"}
        operations.append({"op": "remove"} | target if value is None else {"op": "add", "value": value} | target)
    return operations


def merged(spec: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (spec | change).items() if value is not None}


@pytest.mark.parametrize("how", ["merge patch", "JSON patch", "replace"])
@pytest.mark.parametrize(
    ("plural", "spec", "change", "message"), [row[1:] for row in CHANGES], ids=[row[0] for row in CHANGES]
)
def test_a_forbidden_change_is_refused_whatever_the_verb(
    objects: Objects, plural: str, spec: dict[str, Any], change: dict[str, Any], message: str, how: str
) -> None:
    body = objects.created(plural, spec)
    path = objects.path(plural, objects.namespace)
    if how == "merge patch":
        answer = objects.caller.patch(path, {"spec": change}, content_type=MERGE)
    elif how == "JSON patch":
        answer = objects.caller.patch(path, json_patch(change), content_type=JSON_PATCH)
    else:
        answer = objects.caller.send("PUT", path, body | {"spec": merged(spec, change)})
    assert answer.status == 422
    assert message in answer.message
    assert objects.caller.send("GET", path).body["spec"] == body["spec"]


def test_an_apply_that_leaves_a_fixed_field_out_is_refused(objects: Objects) -> None:
    path = objects.path("volumes", objects.namespace)
    for spec, ok in (({"size": "1Gi", "backendName": "b"}, True), ({"size": "1Gi"}, False)):
        body = objects.body("volumes", spec)
        answer = objects.caller.patch(path, body, content_type=APPLY, fieldManager="kubectl")
        assert answer.ok is ok
    assert "backendName cannot be changed" in answer.message


ALLOWED: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("size grows", "volumes", {"size": "10Gi"}, {"size": "11Gi"}),
    ("size is said otherwise", "volumes", {"size": "1Gi"}, {"size": 2**30}),
    ("policy and names change", "volumes", {"size": 1}, {"deletionPolicy": "Retain", "displayName": "n"}),
    ("a reservation gets a connector", "attachments", {"volumeName": "v"}, {"connector": CONNECTOR}),
    ("an empty connector is filled", "attachments", {"volumeName": "v", "connector": {}}, {"connector": CONNECTOR}),
    ("a connector goes", "attachments", {"volumeName": "v", "connector": CONNECTOR}, {"connector": None}),
    (
        "a node name takes over", "attachments", {"volumeName": "v", "connector": CONNECTOR},
        {"connector": None, "nodeName": "n"},
    ),
    ("default and parameters change", "backends", {"driver": "d"}, {"default": True, "parameters": {"a": 1}}),
]  # fmt: skip


@pytest.mark.parametrize(("plural", "spec", "change"), [row[1:] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_the_rest_may_change(objects: Objects, plural: str, spec: dict[str, Any], change: dict[str, Any]) -> None:
    objects.created(plural, spec)
    # Not a merge patch: it would drop the nulls inside the connector.
    operations = json_patch(change)
    answer = objects.caller.patch(objects.path(plural, objects.namespace), operations, content_type=JSON_PATCH)
    assert answer.ok, answer.message
    assert merged(answer.body["spec"], change) == answer.body["spec"]
