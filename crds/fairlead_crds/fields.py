"""Types and rules that the fields of several kinds share."""

import enum
from typing import Annotated, Any

from pydantic import Field
from pydantic.config import JsonDict

from fairlead_crds.conditions import Condition
from fairlead_crds.schema import Cel

# Structural schema hints of Kubernetes, attached to fields; `fairlead_crds.structural` copies them into the manifests.
# Free-form maps are atomic: a connector is one statement of one node, never a mixture of two writers' keys. It also
# keeps managedFields from listing each key.
PRESERVE: JsonDict = {"x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-map-type": "atomic"}
QUANTITY: JsonDict = {"x-kubernetes-int-or-string": True, "maxLength": 64}


def unchanging(field: str) -> Cel:
    """Forbid an optional field to change.

    The rule stands on the parent: on the field itself it would not be asked when the field is unset, and unsetting
    then setting would get around it.
    """
    return Cel(
        f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        f"{field} cannot be changed",
        f".{field}",
    )


def list_map(*keys: str) -> dict[str, Any]:
    """Hints of a list whose items are told apart by `keys`."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


# A name that could never exist is refused at the door; it also goes into the URLs of our own requests.
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")]
Uid = Annotated[str, Field(min_length=1, max_length=64)]
MetadataValue = Annotated[str, Field(max_length=255)]
Text = Annotated[str, Field(max_length=1024)]
CONNECTOR_KEYS = 64
"""Keys of a connector at most. Its whole length is bounded by an admission policy: CRD rules cannot look inside what
is free-form (`fairlead_crds.policies`)."""
Conditions = Annotated[tuple[Condition, ...], Field(max_length=8, json_schema_extra=list_map("type"))]


class AccessMode(enum.StrEnum):
    """How a node may use a volume."""

    READ_WRITE = "ReadWrite"
    READ_ONLY = "ReadOnly"
