"""The rendered schemas keep to what the API server demands and to the house's rules for fields."""

from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from pydantic import Field

from fairlead_crds.definitions import definition, object_schema
from fairlead_crds.kinds import KINDS, Attachment, Volume
from fairlead_crds.schema import Cel, Model, wire_name
from fairlead_crds.structural import structural

Node = dict[str, Any]


def nodes(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Every node below a schema that describes a value."""
    yield path, node
    for name, field in node.get("properties", {}).items():
        yield from nodes(field, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(node.get(key), dict):
            yield from nodes(node[key], f"{path}.{key}")


def all_nodes() -> list[tuple[str, Node]]:
    return [
        found
        for kind in KINDS
        for part in ("spec", "status")
        for found in nodes(object_schema(kind)["properties"][part], f"{kind.kind}.{part}")
    ]


NODES = all_nodes()


def fields() -> list[tuple[str, Node]]:
    return [(f"{path}.{name}", field) for path, node in NODES for name, field in node.get("properties", {}).items()]


def broken(condition: Any, among: list[tuple[str, Node]]) -> list[str]:
    return [path for path, node in among if not condition(node)]


def test_every_field_has_a_description() -> None:
    assert broken(lambda node: node.get("description"), fields()) == []


def test_every_node_has_a_type_or_says_that_it_has_none() -> None:
    assert broken(lambda node: "type" in node or "x-kubernetes-int-or-string" in node, NODES) == []


def test_every_list_is_bounded_and_says_how_it_merges() -> None:
    lists = [(path, node) for path, node in NODES if node.get("type") == "array"]
    assert broken(lambda node: "maxItems" in node and "x-kubernetes-list-type" in node, lists) == []


def test_every_text_is_bounded() -> None:
    texts = [(path, node) for path, node in NODES if node.get("type") == "string"]
    assert broken(lambda node: {"maxLength", "enum", "format"} & node.keys(), texts) == []


def test_every_map_is_bounded() -> None:
    maps = [(path, node) for path, node in NODES if node.get("type") == "object" and "properties" not in node]
    assert broken(lambda node: "maxProperties" in node, maps) == []


def test_every_free_form_map_is_written_as_a_whole() -> None:
    free = [(path, node) for path, node in NODES if "x-kubernetes-preserve-unknown-fields" in node]
    assert {path for path, _ in free} == {
        "Backend.spec.parameters",
        "Attachment.spec.connector",
        "Attachment.status.connectionInfo.data",
        "NodeConnector.spec.connector",
    }
    assert broken(lambda node: node["x-kubernetes-map-type"] == "atomic", free) == []


def test_every_integer_is_an_int64() -> None:
    integers = [(path, node) for path, node in NODES if node.get("type") == "integer"]
    assert broken(lambda node: node.get("format") == "int64", integers) == []


def test_nothing_is_left_that_a_structural_schema_forbids() -> None:
    forbidden = {"$ref", "$defs", "anyOf", "allOf", "oneOf", "title", "const", "prefixItems"}
    assert broken(lambda node: not forbidden & node.keys(), NODES) == []


def test_a_status_has_no_defaults_and_demands_nothing_of_itself() -> None:
    below = [(path, node) for path, node in NODES if ".status" in path]
    assert broken(lambda node: "default" not in node, below) == []
    assert [kind for kind in KINDS if "required" in object_schema(kind)["properties"]["status"]] == []


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_is_left_to_the_api_server(kind: Any) -> None:
    assert object_schema(kind)["properties"]["metadata"] == {"type": "object"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_model_is_in_the_schema(kind: Any) -> None:
    for part in ("spec", "status"):
        model = kind.model_fields[part].annotation
        assert set(object_schema(kind)["properties"][part]["properties"]) == {
            field.alias for field in model.model_fields.values()
        }


@pytest.mark.parametrize("kind", KINDS)
def test_selectable_fields_and_columns_point_at_fields(kind: Any) -> None:
    version = definition(kind)["spec"]["versions"][0]
    known = {path.removeprefix(kind.kind) for path, _ in NODES if path.startswith(f"{kind.kind}.")}
    assert {field["jsonPath"] for field in version.get("selectableFields", [])} <= known
    for column in version["additionalPrinterColumns"]:
        root = column["jsonPath"].partition("[")[0]
        free_form = (".spec.connector.", ".status.connectionInfo.data.")
        assert root == ".metadata.creationTimestamp" or root in known or root.startswith(free_form)


@pytest.mark.parametrize("field", ["backendName", "source", "multiAttach"])
def test_a_volume_keeps_what_it_was_made_of(field: str) -> None:
    rules = object_schema(Volume)["properties"]["spec"]["x-kubernetes-validations"]
    assert f"{field} cannot be changed" in [rule["message"] for rule in rules if rule["fieldPath"] == f".{field}"]


class Inner(Model):
    """An inner node."""

    value: int = Field(default=3, description="A number.")
    cel: ClassVar[tuple[Cel, ...]] = (Cel("self.value > 0", "must be positive"),)


class Outer(Model):
    """An outer node."""

    inner: Inner | None = Field(default=None, description="Said by the field.")
    many: tuple[Inner, ...] = Field(default=(), description="Some.", max_length=2)


def test_a_nested_model_brings_its_rules_and_the_field_its_description() -> None:
    inner = structural(Outer, defaults=True)["properties"]["inner"]
    assert inner == {
        "description": "Said by the field.",
        "type": "object",
        "properties": {"value": {"description": "A number.", "type": "integer", "format": "int64", "default": 3}},
        "x-kubernetes-validations": [
            {"rule": "self.value > 0", "message": "must be positive", "reason": "FieldValueInvalid"}
        ],
    }


def test_a_list_without_a_hint_is_atomic() -> None:
    assert structural(Outer, defaults=False)["properties"]["many"]["x-kubernetes-list-type"] == "atomic"


def test_a_union_that_no_structural_schema_can_say_is_an_error() -> None:
    class Either(Model):
        value: bool | str = Field(description="Either.")

    with pytest.raises(ValueError, match="knows no union"):
        structural(Either, defaults=True)


@pytest.mark.parametrize(
    ("attribute", "wire"),
    [
        ("volume_name", "volumeName"),
        ("instance_id", "instanceID"),
        ("volume_uid", "volumeUID"),
        ("key_id", "keyID"),
        ("reservation_ttl_seconds", "reservationTTLSeconds"),
        ("size", "size"),
    ],
)
def test_names_on_the_wire_follow_the_api_conventions(attribute: str, wire: str) -> None:
    assert wire_name(attribute) == wire


def test_a_model_writes_without_what_is_unset_and_reads_its_own_writing() -> None:
    body = {"metadata": {"name": "a", "namespace": "n"}, "spec": {"volumeName": "v", "connector": {"mountpoint": None}}}
    attachment = Attachment.model_validate(body)
    wire = attachment.spec.wire()
    assert "nodeName" not in wire
    assert wire["connector"] == {"mountpoint": None}
    assert type(attachment.spec).model_validate(wire) == attachment.spec
