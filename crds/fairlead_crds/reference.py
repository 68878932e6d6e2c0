"""docs/reference/resources.md: every field of every kind, from the same schemas as the manifests."""

import json
from collections.abc import Iterator
from typing import Any

from fairlead_crds import names
from fairlead_crds.conditions import Condition
from fairlead_crds.definitions import CATEGORY, object_schema
from fairlead_crds.kinds import KINDS
from fairlead_crds.presentation import PRESENTATIONS, AnyKind
from fairlead_crds.structural import Schema, structural

_INTRODUCTION = f"""\
# Resources

The kinds of `{names.API_VERSION}`: `spec` is what you write, `status` what Fairlead answers. `kubectl get {CATEGORY}`
lists the objects of every kind; `kubectl explain` says the same as this page.
"""
_HEADINGS = "| field | type | default | meaning |\n|---|---|---|---|\n"


def reference() -> str:
    """Return the page."""
    return _INTRODUCTION + "".join(_section(kind) for kind in KINDS) + _conditions()


def _section(kind: AnyKind) -> str:
    schema = object_schema(kind)
    presentation = PRESENTATIONS[kind]
    facts = [
        "Namespaced" if kind.namespaced else "Cluster-wide",
        f"short name `{'`, `'.join(presentation.short_names)}`",
    ]
    if presentation.selectable:
        facts.append(f"field selectors `{'`, `'.join(path.removeprefix('.') for path in presentation.selectable)}`")
    text = f"\n## {kind.kind}\n\n{schema['description']}\n\n{'; '.join(facts)}.\n"
    for part in ("spec", "status"):
        node = schema["properties"][part]
        text += f"\n{_table(node, part)}"
        if rules := node.get("x-kubernetes-validations"):
            text += "\nRules:\n\n" + "".join(f"- {rule['message']}\n" for rule in rules)
    return text


def _conditions() -> str:
    schema = structural(Condition, defaults=False)
    text = f"{schema['description']} Backends, Volumes and Attachments carry them."
    return f"\n## Conditions\n\n{text}\n\n{_table(schema, 'conditions[]')}"


def _table(node: Schema, path: str) -> str:
    return _HEADINGS + "".join(_row(below, field, required) for below, field, required in _fields(node, path))


def _fields(node: Schema, path: str) -> Iterator[tuple[str, Schema, bool]]:
    """Every field below a node, with its path and whether it is required."""
    for name, field in node.get("properties", {}).items():
        below = f"{path}.{name}"
        yield below, field, name in node.get("required", ())
        yield from _fields(field, below)
        # The same in each kind, so it has a section of its own.
        if name != "conditions":
            yield from _fields(field.get("items", {}), f"{below}[]")


def _row(path: str, field: Schema, required: bool) -> str:
    default = f"`{json.dumps(field['default'])}`" if "default" in field else "required" if required else ""
    return f"| `{path}` | {_type(field)} | {default} | {_cell(field['description'])} |\n"


def _type(field: Schema) -> str:
    if "x-kubernetes-int-or-string" in field:
        return "quantity"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field["type"] == "array":
        return f"list of {_type(field['items'])}, at most {field['maxItems']}"
    if field["type"] == "object":
        return _map(field)
    if field.get("format") == "date-time":
        return "time"
    return str(field["type"]) + _bounds(field)


def _map(field: Schema) -> str:
    if "x-kubernetes-preserve-unknown-fields" in field:
        return f"free-form, at most {field['maxProperties']} keys"
    if "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}, at most {field['maxProperties']} keys"
    return "object"


def _bounds(field: dict[str, Any]) -> str:
    if "maxLength" in field:
        return f", {field.get('minLength', 0)} to {field['maxLength']} characters"
    low, high = field.get("minimum"), field.get("maximum")
    if high is not None:
        return f", {low} to {high}"
    return f", at least {low}" if low is not None else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
