"""The CustomResourceDefinition of each kind, as the API server takes it."""

import inspect
from typing import Any

from fairlead_crds import names
from fairlead_crds.presentation import PRESENTATIONS, AnyKind, Column
from fairlead_crds.schema import Model
from fairlead_crds.structural import Schema, structural

CATEGORY = "fairlead"
"""`kubectl get fairlead` lists every kind."""

_API_VERSION = "Version of the schema of this object: group and version."
_KIND = "The REST resource that this object represents."


def definition(kind: AnyKind) -> dict[str, Any]:
    """Return the CustomResourceDefinition of `kind`."""
    presentation = PRESENTATIONS[kind]
    version: dict[str, Any] = {
        "name": names.VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": object_schema(kind)},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in presentation.columns],
    }
    if presentation.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in presentation.selectable]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "names": {
                "kind": kind.kind,
                "listKind": f"{kind.kind}List",
                "plural": kind.plural,
                "singular": kind.kind.lower(),
                "shortNames": list(presentation.short_names),
                "categories": [CATEGORY],
            },
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [version],
        },
    }


def object_schema(kind: AnyKind) -> Schema:
    """Return the structural schema of a whole object."""
    return {
        "description": inspect.cleandoc(kind.__doc__ or ""),
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"description": _API_VERSION, "type": "string"},
            "kind": {"description": _KIND, "type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(_part(kind, "spec"), defaults=True),
            # One writer writes it, always whole: to track who owns which of its fields would cost a quarter of the API
            # server's work on each write, and a kilobyte in each object.
            "status": structural(_part(kind, "status"), defaults=False) | {"x-kubernetes-map-type": "atomic"},
        },
    }


def _part(kind: AnyKind, name: str) -> type[Model]:
    annotation = kind.model_fields[name].annotation
    if not (isinstance(annotation, type) and issubclass(annotation, Model)):
        raise TypeError(f"{kind.__name__}.{name} is no model: {annotation}")
    return annotation


def _column(column: Column) -> dict[str, Any]:
    result: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
    }
    # Columns of a priority above zero are shown with -o wide.
    return result | ({"priority": 1} if column.wide else {})
