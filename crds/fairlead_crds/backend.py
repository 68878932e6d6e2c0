"""Backend: storage that Fairlead can attach from."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from fairlead_crds.fields import PRESERVE, Conditions, ObjectName, Text
from fairlead_crds.resource import Resource
from fairlead_crds.schema import Cel, Model


class BackendSpec(Model):
    """What storage this is and which driver speaks to it."""

    driver: str = Field(
        description="Name of the driver, from the entry-point group fairlead.drivers; iscsi-tgt comes with Fairlead.",
        min_length=1,
        max_length=63,
    )
    parameters: Mapping[str, Any] = Field(
        default_factory=dict,
        description="The driver's own parameters, checked by the driver; condition Ready says what is wrong.",
        max_length=64,
        json_schema_extra=PRESERVE,
    )
    default: bool = Field(default=False, description="Volumes that name no backend are made here.")
    allowed_namespaces: tuple[ObjectName, ...] | None = Field(
        default=None,
        description="Namespaces whose Volumes may live here; absent: all.",
        max_length=1024,
        json_schema_extra={"x-kubernetes-list-type": "set"},
    )
    cel: ClassVar[tuple[Cel, ...]] = (
        Cel("self.driver == oldSelf.driver", "driver cannot be changed: its volumes would be lost", ".driver"),
    )


class Capacity(Model):
    """Capacity of a backend, in bytes."""

    total: int = Field(description="Size of the storage, in bytes.", ge=0)
    free: int = Field(description="What is left of it, in bytes.", ge=0)


class UnknownExports(Model):
    """Exports on the backend that no Attachment owns and that are not provably Fairlead's."""

    count: int = Field(description="How many there are.", ge=0)
    names: tuple[Text, ...] = Field(default=(), description="The first of them, by name.", max_length=16)


class BackendStatus(Model):
    """What the operator sees of the backend."""

    observed_generation: int = Field(default=0, description="The generation this status speaks of.", ge=0)
    conditions: Conditions = Field(default=(), description="Ready says whether the backend can be used.")
    capacity: Capacity | None = Field(default=None, description="Total and free capacity, in bytes.")
    protocol: str | None = Field(default=None, description="What nodes speak to it: iscsi, ...", max_length=63)
    multi_attach: bool = Field(default=False, description="Whether its driver can export a volume to several nodes.")
    holder: str | None = Field(
        default=None, description="The operator (pod or host) that serves this backend.", max_length=253
    )
    selective: bool = Field(
        default=False,
        description="Whether its operator watches only what carries its label; then the controller puts that on.",
    )
    key_id: str | None = Field(default=None, description="Names the key of new CHAP credentials.", max_length=63)
    unknown_exports: UnknownExports | None = Field(
        default=None, description="Exports nobody owns; Fairlead leaves them alone."
    )


class Backend(Resource[BackendSpec, BackendStatus]):
    """Storage that Fairlead can attach from."""

    kind: ClassVar[str] = "Backend"
    plural: ClassVar[str] = "backends"
    namespaced: ClassVar[bool] = False
    status: BackendStatus = Field(default_factory=BackendStatus)
