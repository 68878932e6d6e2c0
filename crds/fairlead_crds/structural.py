"""From a pydantic model to a structural OpenAPI schema, the dialect that apiextensions.k8s.io/v1 accepts.

What differs from the JSON schema that pydantic writes: references are inlined, "X or null" becomes X that is not
required, titles go away, every integer is an int64, every list says how its items are merged, and the CEL rules of a
model stand on its node.
"""

from collections.abc import Mapping
from typing import Any, cast

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from fairlead_crds.schema import Cel, Model

Schema = dict[str, Any]

_REF = "#/$defs/"

# What a reader of the manifests looks for first comes first.
_ORDER = ("description", "type", "format", "enum", "default", "required", "properties")


class _WithRules(GenerateJsonSchema):
    """JSON schema whose nodes carry the CEL rules of the models they come from."""

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        result = super().model_schema(schema)
        model = cast("type[Model]", schema["cls"])
        if model.cel:
            result["x-kubernetes-validations"] = [_rule(cel) for cel in model.cel]
        return result


def structural(model: type[Model], *, defaults: bool) -> Schema:
    """Return the structural schema of `model`.

    Args:
        model: the node to describe.
        defaults: whether the API server is to fill in defaults. True for a spec; in a status an absent field means
            "not observed", which a default would deny.
    """
    generated = model.model_json_schema(by_alias=True, schema_generator=_WithRules)
    return _node(generated, generated.get("$defs", {}), defaults)


def _rule(cel: Cel) -> Schema:
    rule = {"rule": cel.rule, "message": cel.message, "reason": cel.reason}
    return rule | ({"fieldPath": cel.field_path} if cel.field_path else {})


def _node(raw: Mapping[str, Any], definitions: Mapping[str, Any], defaults: bool) -> Schema:
    node = _flat(raw, definitions)
    for dropped in ("title", "$defs"):
        node.pop(dropped, None)
    # An empty list or map says no more than an absent one, and would be stored with each object.
    if not defaults or node.get("default") in (None, [], {}):
        node.pop("default", None)
    if "properties" in node:
        node["properties"] = {k: _node(v, definitions, defaults) for k, v in node["properties"].items()}
    if isinstance(node.get("additionalProperties"), dict) and node["additionalProperties"]:
        node["additionalProperties"] = _node(node["additionalProperties"], definitions, defaults)
    else:
        node.pop("additionalProperties", None)
    if node.get("type") == "array":
        node["items"] = _node(node["items"], definitions, defaults)
        node.setdefault("x-kubernetes-list-type", "atomic")
    if node.get("type") == "integer":
        node["format"] = "int64"
    return {key: node[key] for key in (*_ORDER, *sorted(node.keys() - set(_ORDER))) if key in node}


def _flat(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Resolve the reference or the union at the head of a node; what the field itself says wins over its type."""
    node = dict(raw)
    if "$ref" in node:
        target = definitions[node.pop("$ref").removeprefix(_REF)]
        return _flat({**target, **node}, definitions)
    if "anyOf" in node:
        choices = [choice for choice in node.pop("anyOf") if choice != {"type": "null"}]
        # int-or-string says by its hint which types it takes; a list of them beside the hint adds nothing.
        if len(choices) == 1:
            return _flat({**choices[0], **node}, definitions)
        if "x-kubernetes-int-or-string" not in node:
            raise ValueError(f"a structural schema knows no union: {choices}")
    return node
