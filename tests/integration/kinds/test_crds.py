"""What the API server keeps of each kind, and what it refuses."""

from typing import Any

import pytest

from fairlead_crds.kinds import KINDS, Volume
from plain_requests import JSON_PATCH
from stored_objects import CONNECTOR, FULL, SMALLEST, Objects


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_kept_as_it_was_sent(objects: Objects, kind: Any) -> None:
    spec, status = FULL[kind.plural]
    created = objects.created(kind.plural, spec)
    assert created["spec"] == spec
    written = objects.caller.patch(
        objects.path(kind.plural, objects.namespace, status=True),
        [{"op": "add", "path": "/status", "value": status}],
        content_type=JSON_PATCH,
    )
    assert written.ok, written.message
    read = objects.caller.send("GET", objects.path(kind.plural, objects.namespace)).body
    assert read["spec"] == spec
    assert read["status"] == status
    parsed = kind.model_validate(read)
    assert parsed.spec.wire() == spec
    assert parsed.status.wire() == status


@pytest.mark.parametrize("kind", KINDS)
def test_the_rows_above_set_every_field(kind: Any) -> None:
    spec, status = FULL[kind.plural]
    for part, given in (("spec", spec), ("status", status)):
        fields = kind.model_fields[part].annotation.model_fields
        # The two that exclude each other cannot both be set.
        excluded = {"nodeName"} if part == "spec" else set()
        assert {field.alias for field in fields.values()} - excluded == set(given)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_left_out_of_a_spec_is_filled_in_as_the_model_does(objects: Objects, kind: Any) -> None:
    spec = SMALLEST[kind.plural]
    stored = objects.created(kind.plural, spec)["spec"]
    model = kind.model_fields["spec"].annotation
    filled = {key: value for key, value in model.model_validate(spec).wire().items() if value not in ({}, [])}
    assert {key: value for key, value in stored.items() if value != {}} == filled


def test_an_absent_status_field_stays_absent(objects: Objects) -> None:
    objects.created("volumes", SMALLEST["volumes"])
    path = objects.path("volumes", objects.namespace, status=True)
    assert objects.caller.patch(path, {"status": {"handle": "h"}}).body["status"] == {"handle": "h"}


@pytest.mark.parametrize("size", ["10Gi", 10, "1.5Gi", "500M", "1e9", ".5Gi", "+1Gi", "7Ei", "1500m", "1e-3", "9e18"])
def test_a_quantity_the_server_takes_is_one_we_can_read(objects: Objects, size: str | int) -> None:
    body = objects.created("volumes", {"size": size})
    assert body["spec"]["size"] == size
    assert Volume.model_validate(body).spec.size_bytes >= 1


@pytest.mark.parametrize("connector", [{}, {"host": "h"}, {"initiator": None}, {"anything": {"at": ["all"]}}])
def test_a_connector_is_free_form(objects: Objects, connector: dict[str, Any]) -> None:
    body = objects.created("attachments", {"volumeName": "v", "connector": connector})
    assert body["spec"]["connector"] == connector


# Said besides a mistake in a field's type or bounds, because the rules above it are then not asked.
UNCHECKED = "some validation rules were not checked"
PATTERN = "should match '^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$'"
LONG = "x" * 256

BAD_KEY = "spec.metadata: Invalid value: keys of metadata must be 1 to 255 characters long"
NOT_POSITIVE = "spec.size: Invalid value: size must be a positive quantity, such as 10Gi"
TOO_LARGE = "spec.size: Invalid value: size must be less than 8Ei"
REFUSED: list[tuple[str, str, dict[str, Any], str]] = [
    ("no size", "volumes", {}, "spec.size: Required value"),
    ("size of null", "volumes", {"size": None}, "spec.size: Required value"),
    ("size of no quantity", "volumes", {"size": "big"}, NOT_POSITIVE),
    ("size with a blank", "volumes", {"size": "10 Gi"}, NOT_POSITIVE),
    ("size with an unknown suffix", "volumes", {"size": "10GiB"}, NOT_POSITIVE),
    ("empty size", "volumes", {"size": ""}, NOT_POSITIVE),
    ("size of nothing", "volumes", {"size": 0}, NOT_POSITIVE),
    ("size of nothing, as text", "volumes", {"size": "0Gi"}, NOT_POSITIVE),
    ("negative size", "volumes", {"size": "-1Gi"}, NOT_POSITIVE),
    ("size that would take minutes to multiply out", "volumes", {"size": "1e999999999"}, NOT_POSITIVE),
    ("size that would take as long to divide", "volumes", {"size": "1E-999999999"}, NOT_POSITIVE),
    ("size beyond what fits in 64 bits", "volumes", {"size": "8Ei"}, TOO_LARGE),
    ("integer beyond what fits", "volumes", {"size": 2**63 - 1}, TOO_LARGE),
    ("size with a large exponent", "volumes", {"size": "1e99"}, TOO_LARGE),
    ("size with a fraction as number", "volumes", {"size": 1.5}, "spec.size in body must be of type integer,string"),
    ("size of 65 digits", "volumes", {"size": "1" * 65}, "spec.size: Too long"),
    ("backend name", "volumes", {"size": 1, "backendName": "../x"}, PATTERN),
    ("deletion policy", "volumes", {"size": 1, "deletionPolicy": "Keep"}, 'supported values: "Delete", "Retain"'),
    ("source without handle", "volumes", {"size": 1, "source": {}}, "spec.source.handle: Required value"),
    ("source outside the backend", "volumes", {"size": 1, "source": {"handle": "../x"}}, "should match"),
    ("display name", "volumes", {"size": 1, "displayName": LONG}, "spec.displayName: Too long"),
    ("description", "volumes", {"size": 1, "displayDescription": LONG}, "spec.displayDescription: Too long"),
    ("metadata value", "volumes", {"size": 1, "metadata": {"k": LONG}}, "spec.metadata.k: Too long"),
    ("metadata key", "volumes", {"size": 1, "metadata": {LONG: "v"}}, BAD_KEY),
    ("empty metadata key", "volumes", {"size": 1, "metadata": {"": "v"}}, BAD_KEY),
    (
        "much metadata", "volumes", {"size": 1, "metadata": {str(i): "" for i in range(129)}},
        "spec.metadata: Too many: 129: must have at most 128 items",
    ),
    ("no volume", "attachments", {}, "spec.volumeName: Required value"),
    ("volume name", "attachments", {"volumeName": "V_1"}, PATTERN),
    ("empty instance", "attachments", {"volumeName": "v", "instanceID": ""}, "instanceID in body should be at least"),
    (
        "connector and node name", "attachments", {"volumeName": "v", "connector": CONNECTOR, "nodeName": "n"},
        "spec.connector: Forbidden: connector and nodeName exclude each other: give one of them",
    ),
    (
        "empty connector and node name", "attachments", {"volumeName": "v", "connector": {}, "nodeName": "n"},
        "spec.connector: Forbidden: connector and nodeName exclude each other: give one of them",
    ),
    ("text as connector", "attachments", {"volumeName": "v", "connector": "x"}, "must be of type object"),
    (
        "connector of many keys", "attachments", {"volumeName": "v", "connector": {str(i): i for i in range(65)}},
        "spec.connector: Too many: 65: must have at most 64 items",
    ),
    ("access mode", "attachments", {"volumeName": "v", "accessMode": "rw"}, 'values: "ReadWrite", "ReadOnly"'),
    ("time to live", "attachments", {"volumeName": "v", "reservationTTLSeconds": 0}, "greater than or equal to 1"),
    ("no driver", "backends", {}, "spec.driver: Required value"),
    ("namespace twice", "backends", {"driver": "d", "allowedNamespaces": ["n", "n"]}, "Duplicate value"),
    (
        "many parameters", "backends", {"driver": "d", "parameters": {str(i): i for i in range(65)}},
        "spec.parameters: Too many: 65: must have at most 64 items",
    ),
    ("no connector", "nodeconnectors", {}, "spec.connector: Required value"),
]  # fmt: skip


@pytest.mark.parametrize(("plural", "spec", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_mistake_is_answered_by_one_clear_message(
    objects: Objects, plural: str, spec: dict[str, Any], message: str
) -> None:
    answer = objects.create(plural, spec)
    assert answer.status == 422
    assert message in answer.message
    causes = answer.body["details"]["causes"]
    assert len([cause for cause in causes if UNCHECKED not in cause["message"]]) == 1


def test_an_unknown_field_is_pruned_and_strict_clients_are_told(objects: Objects) -> None:
    spec = {"size": "1Gi", "colour": "red"}
    assert "colour" not in objects.created("volumes", spec)["spec"]
    strict = objects.create("volumes", spec, name="other", fieldValidation="Strict")
    assert 'unknown field "spec.colour"' in strict.message


def test_a_ledger_holds_an_attachment_once(objects: Objects) -> None:
    objects.created("volumes", SMALLEST["volumes"])
    entry = FULL["volumes"][1]["attachments"][0]
    path = objects.path("volumes", objects.namespace, status=True)
    answer = objects.caller.patch(path, {"status": {"attachments": [entry, entry | {"name": "a2"}]}})
    assert "Duplicate value" in answer.message
