"""Volume: a block device on a Backend, and the ledger of who holds it."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar

from pydantic import Field

from fairlead_crds.fields import (
    QUANTITY,
    AccessMode,
    Conditions,
    MetadataValue,
    ObjectName,
    Uid,
    list_map,
    unchanging,
)
from fairlead_crds.quantity import parse_bytes
from fairlead_crds.resource import Resource
from fairlead_crds.schema import Cel, Model


class DeletionPolicy(enum.StrEnum):
    """What happens to the data when a Volume is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class VolumePhase(enum.StrEnum):
    """Where a Volume stands, coarsely; conditions say why."""

    PENDING = "Pending"
    AVAILABLE = "Available"
    HELD = "Held"
    DELETING = "Deleting"
    FAILED = "Failed"


class VolumeSource(Model):
    """Where a Volume's data come from."""

    handle: str = Field(
        description="Adopt the volume that the backend knows by this handle, instead of making an empty one.",
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )


def _quantity(node: str) -> str:
    return f"quantity(string({node}.size))"


def _is_quantity(node: str) -> str:
    # The first half keeps the API server alive: isQuantity multiplies out 1e999999999 digit by digit, for minutes.
    return f"!string({node}.size).matches('[eE][-+]?[0-9]{{3}}') && isQuantity(string({node}.size))"


class VolumeSpec(Model):
    """What the volume is to be."""

    size: str | int = Field(
        description="Capacity as a quantity, such as 10Gi; below 8Ei. May grow, never shrink.",
        json_schema_extra=QUANTITY,
    )
    backend_name: ObjectName | None = Field(
        default=None, description="Backend it lives on; absent: the default Backend. Cannot be changed."
    )
    multi_attach: bool = Field(default=False, description="Several nodes may hold it at once. Cannot be changed.")
    read_only: bool = Field(default=False, description="Every new attachment is read-only.")
    bootable: bool = Field(default=False, description="Shown through REST; of no meaning to the operator.")
    source: VolumeSource | None = Field(default=None, description="Where its data come from. Cannot be changed.")
    deletion_policy: DeletionPolicy = Field(
        default=DeletionPolicy.DELETE, description="What happens to the data when the Volume is deleted."
    )
    display_name: str | None = Field(default=None, description="Name shown through REST.", max_length=255)
    display_description: str | None = Field(default=None, description="Description for REST.", max_length=255)
    metadata: Mapping[str, MetadataValue] = Field(
        default_factory=dict, description="Free key-value pairs of the owner.", max_length=128
    )
    # The three rules on size exclude each other, so that each mistake is answered by one message: a comparison that
    # meets what is no quantity passes, because the first rule speaks of it.
    cel: ClassVar[tuple[Cel, ...]] = (
        Cel(
            f"{_is_quantity('self')} ? {_quantity('self')}.isGreaterThan(quantity('0')) : false",
            "size must be a positive quantity, such as 10Gi",
            ".size",
        ),
        Cel(
            f"{_is_quantity('self')} ? {_quantity('self')}.isLessThan(quantity('8Ei')) : true",
            "size must be less than 8Ei",
            ".size",
        ),
        Cel(
            f"{_is_quantity('self')} && {_is_quantity('oldSelf')} "
            f"? !{_quantity('self')}.isLessThan({_quantity('oldSelf')}) || "
            f"!{_quantity('self')}.isGreaterThan(quantity('0')) : true",
            "size may only grow",
            ".size",
        ),
        unchanging("backendName"),
        Cel("self.multiAttach == oldSelf.multiAttach", "multiAttach cannot be changed", ".multiAttach"),
        unchanging("source"),
        Cel(
            "!has(self.metadata) || self.metadata.all(key, size(key) >= 1 && size(key) <= 255)",
            "keys of metadata must be 1 to 255 characters long",
            ".metadata",
        ),
    )

    @property
    def size_bytes(self) -> int:
        """The size in bytes."""
        return parse_bytes(self.size)


class Holder(Model):
    """A ledger entry: an Attachment that has been admitted. While it is here an export may exist."""

    uid: Uid = Field(description="metadata.uid of the Attachment.")
    name: ObjectName = Field(description="Its name, for people.")
    handle: str = Field(description="What the backend calls its export.", max_length=63)
    instance_id: str | None = Field(default=None, description="The instance it serves.", max_length=255)
    access_mode: AccessMode = Field(default=AccessMode.READ_WRITE, description="How it may use the volume.")
    since: datetime = Field(description="When it was admitted.")


class VolumeStatus(Model):
    """What the operator made of it."""

    observed_generation: int = Field(default=0, description="The generation this status speaks of.", ge=0)
    phase: VolumePhase = Field(default=VolumePhase.PENDING, description="Where it stands, coarsely.")
    conditions: Conditions = Field(default=(), description="Ready says whether it can be attached.")
    capacity: int | None = Field(default=None, description="Size on the backend, in bytes.", ge=0)
    backend_name: str | None = Field(default=None, description="Backend it lives on.", max_length=253)
    handle: str | None = Field(default=None, description="What the backend calls it.", max_length=63)
    attachments: tuple[Holder, ...] = Field(
        default=(),
        description="Ledger of the Attachments admitted to this volume. Written by compare-and-swap only.",
        max_length=64,
        json_schema_extra=list_map("uid"),
    )


class Volume(Resource[VolumeSpec, VolumeStatus]):
    """A block device on a Backend."""

    kind: ClassVar[str] = "Volume"
    plural: ClassVar[str] = "volumes"
    status: VolumeStatus = Field(default_factory=VolumeStatus)
