"""The base of every model: camelCase on the wire, frozen in memory, CEL rules beside the fields they guard."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


@dataclass(frozen=True)
class Cel:
    """A CEL rule of `x-kubernetes-validations`.

    Attributes:
        rule: the expression; `self` is the node that carries it, `oldSelf` its former value.
        message: what the user reads when it is refused.
        field_path: which field of the node the refusal is about, `.spec.x` style; None: the node itself.
        reason: one of the API server's reasons for a field error.
    """

    rule: str
    message: str
    field_path: str | None = None
    reason: str = "FieldValueInvalid"


def wire_name(name: str) -> str:
    """camelCase as the Kubernetes API conventions want it, with ID and TTL as initialisms."""
    camel = to_camel(name)
    for plain, initialism in (("Id", "ID"), ("Uid", "UID"), ("Ttl", "TTL"), ("Iqn", "IQN")):
        if camel.endswith(plain):
            camel = camel.removesuffix(plain) + initialism
        camel = camel.replace(f"{plain}S", f"{initialism}S") if plain == "Ttl" else camel
    return camel


class Model(BaseModel):
    """A node of a resource. Unknown keys are dropped on reading, as the API server prunes them on writing."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=wire_name, populate_by_name=True, use_enum_values=False
    )

    cel: ClassVar[tuple[Cel, ...]] = ()
    """Rules on this node as a whole."""

    def wire(self) -> dict[str, Any]:
        """The node as the API server takes it: camelCase, JSON types, without unset optionals."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
