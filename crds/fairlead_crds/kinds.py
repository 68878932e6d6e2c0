"""The four kinds: Backend, Volume, Attachment, NodeConnector."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from fairlead_crds import names
from fairlead_crds.conditions import Condition
from fairlead_crds.quantity import parse_bytes
from fairlead_crds.schema import Cel, Model

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


class Metadata(Model):
    """The part of ObjectMeta that Fairlead reads."""

    model_config = ConfigDict(frozen=True)

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class AccessMode(enum.StrEnum):
    """How a node may use a volume."""

    READ_WRITE = "ReadWrite"
    READ_ONLY = "ReadOnly"


class DeletionPolicy(enum.StrEnum):
    """What happens to the data when a Volume is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class ConflictPolicy(enum.StrEnum):
    """What an Attachment does when its volume is held by another."""

    WAIT = "Wait"
    REJECT = "Reject"


class DetachPolicy(enum.StrEnum):
    """When a deleted Attachment is cut off."""

    IMMEDIATE = "Immediate"
    WAIT_FOR_LOGOUT = "WaitForLogout"


class VolumePhase(enum.StrEnum):
    """Where a Volume stands, coarsely; conditions say why."""

    PENDING = "Pending"
    AVAILABLE = "Available"
    HELD = "Held"
    DELETING = "Deleting"
    FAILED = "Failed"


class AttachmentPhase(enum.StrEnum):
    """Where an Attachment stands, coarsely; conditions say why."""

    PENDING = "Pending"
    RESERVED = "Reserved"
    EXPORTING = "Exporting"
    EXPORTED = "Exported"
    COMPLETED = "Completed"
    DETACHING = "Detaching"
    REJECTED = "Rejected"


# --- Backend ---------------------------------------------------------------------------------------------------------


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
    key_id: str | None = Field(default=None, description="Names the key of new CHAP credentials.", max_length=63)
    unknown_exports: UnknownExports | None = Field(
        default=None, description="Exports nobody owns; Fairlead leaves them alone."
    )


# --- Volume ----------------------------------------------------------------------------------------------------------


class VolumeSource(Model):
    """Where a Volume's data come from."""

    handle: str = Field(
        description="Adopt the volume that the backend knows by this handle, instead of making an empty one.",
        min_length=1,
        max_length=63,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
    )


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
            "isQuantity(string(self.size)) ? quantity(string(self.size)).isGreaterThan(quantity('0')) : false",
            "size must be a positive quantity, such as 10Gi",
            ".size",
        ),
        Cel(
            "isQuantity(string(self.size)) ? quantity(string(self.size)).isLessThan(quantity('8Ei')) : true",
            "size must be less than 8Ei",
            ".size",
        ),
        Cel(
            "isQuantity(string(self.size)) && isQuantity(string(oldSelf.size)) ? "
            "!quantity(string(self.size)).isLessThan(quantity(string(oldSelf.size))) || "
            "!quantity(string(self.size)).isGreaterThan(quantity('0')) : true",
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


# --- Attachment ------------------------------------------------------------------------------------------------------


class AttachmentSpec(Model):
    """Which volume goes to which node."""

    volume_name: ObjectName = Field(description="Volume in the same namespace. Cannot be changed.")
    instance_id: str | None = Field(
        default=None,
        description="The instance (virtual machine) it serves. Attachments of one instance may hold a volume together, "
        "as live migration needs. Cannot be changed.",
        min_length=1,
        max_length=255,
    )
    connector: Mapping[str, Any] | None = Field(
        default=None,
        description="What the node's initiator is, with os-brick's keys: initiator, host, ip, ... Absent or empty, "
        "with nodeName absent: the volume is only reserved. 16 KiB at most.",
        max_length=CONNECTOR_KEYS,
        json_schema_extra=PRESERVE,
    )
    node_name: ObjectName | None = Field(
        default=None, description="Take the connector from the NodeConnector of this name. Excludes connector."
    )
    access_mode: AccessMode | None = Field(
        default=None, description="Absent: the connector's mode, else ReadWrite; ReadOnly on a read-only volume."
    )
    completed: bool = Field(default=False, description="The node says that it has connected.")
    conflict_policy: ConflictPolicy = Field(
        default=ConflictPolicy.WAIT, description="What to do while the volume is held by another."
    )
    detach_policy: DetachPolicy = Field(
        default=DetachPolicy.IMMEDIATE, description="Whether deletion waits for the node to log out."
    )
    reservation_ttl_seconds: int | None = Field(
        default=None, alias="reservationTTLSeconds", ge=1, le=31536000,
        description="A reservation that was never exported ends after this long; absent: never.",
    )  # fmt: skip
    write_secret: bool = Field(
        default=True, description="Write the CHAP credentials into a Secret beside the Attachment."
    )
    cel: ClassVar[tuple[Cel, ...]] = (
        Cel("self.volumeName == oldSelf.volumeName", "volumeName cannot be changed", ".volumeName"),
        unchanging("instanceID"),
        Cel(
            "!(has(self.connector) && has(self.nodeName))",
            "connector and nodeName exclude each other: give one of them",
            ".connector",
            "FieldValueForbidden",
        ),
    )


class Sessions(Model):
    """The live connections of an export."""

    initiator: str = Field(description="Name of the initiator.", max_length=255)
    address: str = Field(default="", description="Where it connects from.", max_length=255)


class HistoryEntry(Model):
    """One step in an Attachment's life."""

    at: datetime = Field(description="When.")
    phase: AttachmentPhase = Field(description="The phase entered.")
    reason: str = Field(description="Why, one word.", max_length=64)


class SecretReference(Model):
    """A Secret in the same namespace."""

    name: ObjectName = Field(description="Its name.")


class ConnectionStatus(Model):
    """How the node reaches the export. No secrets."""

    driver_volume_type: str = Field(description="iscsi, ...", max_length=63)
    data: Mapping[str, Any] = Field(
        description="The protocol's own keys, as os-brick names them.", max_length=64, json_schema_extra=PRESERVE
    )


class AttachmentStatus(Model):
    """What the operator made of it; all that is needed to take it away again."""

    observed_generation: int = Field(default=0, description="The generation this status speaks of.", ge=0)
    phase: AttachmentPhase = Field(default=AttachmentPhase.PENDING, description="Where it stands, coarsely.")
    conditions: Conditions = Field(default=(), description="Admitted, Exported, Completed.")
    volume_uid: str | None = Field(
        default=None, description="The Volume it waits for or holds; never another of the same name.", max_length=64
    )
    backend_name: str | None = Field(default=None, description="Backend that exports it.", max_length=253)
    handle: str | None = Field(default=None, description="What the backend calls its export.", max_length=63)
    key_id: str | None = Field(default=None, description="Key of its CHAP credentials.", max_length=63)
    access_mode: AccessMode | None = Field(default=None, description="The mode in force.")
    initiator: str | None = Field(default=None, description="The one initiator admitted.", max_length=255)
    host: str | None = Field(default=None, description="The connector's host.", max_length=255)
    connection_info: ConnectionStatus | None = Field(default=None, description="How the node reaches it. No secrets.")
    secret_ref: SecretReference | None = Field(default=None, description="Where the CHAP credentials are, when asked.")
    sessions: tuple[Sessions, ...] = Field(default=(), description="Live connections last seen.", max_length=16)
    reserved_at: datetime | None = Field(default=None, description="When the volume was reserved for it.")
    attached_at: datetime | None = Field(default=None, description="When it was last exported.")
    completed_at: datetime | None = Field(default=None, description="When the node's completion was seen.")
    rejected_at: datetime | None = Field(default=None, description="When it was refused for good.")
    history: tuple[HistoryEntry, ...] = Field(default=(), description="The last ten steps, newest last.", max_length=10)


# --- NodeConnector ---------------------------------------------------------------------------------------------------


class NodeConnectorSpec(Model):
    """What the node's initiator is."""

    connector: Mapping[str, Any] = Field(
        description="The connector as os-brick's get_connector_properties gives it: host, ip, initiator, ... "
        "16 KiB at most.",
        max_length=CONNECTOR_KEYS,
        json_schema_extra=PRESERVE,
    )


class NodeConnectorStatus(Model):
    """What is known of the node."""

    last_seen: datetime | None = Field(default=None, description="When the node's agent last spoke.")


# --- whole objects ---------------------------------------------------------------------------------------------------

SpecT = TypeVar("SpecT", bound=Model)
StatusT = TypeVar("StatusT", bound=Model)


class Resource(Model, Generic[SpecT, StatusT]):
    """An object as the API server holds it."""

    kind: ClassVar[str]
    plural: ClassVar[str]
    namespaced: ClassVar[bool] = True

    metadata: Metadata
    spec: SpecT
    status: StatusT

    @property
    def id(self) -> str:
        """The id that REST clients use: the label, else the uid."""
        return self.metadata.labels.get(names.LABEL_ID) or self.metadata.uid

    @property
    def handle(self) -> str:
        """What the backend calls it: the annotation, else the uid."""
        return self.metadata.annotations.get(names.ANNOTATION_HANDLE) or self.metadata.uid

    @property
    def deleting(self) -> bool:
        """Whether its deletion has been asked for."""
        return self.metadata.deletion_timestamp is not None

    @property
    def guarded(self) -> bool:
        """Whether our finalizer holds it."""
        return names.FINALIZER in self.metadata.finalizers


class Backend(Resource[BackendSpec, BackendStatus]):
    """Storage that Fairlead can attach from."""

    kind: ClassVar[str] = "Backend"
    plural: ClassVar[str] = "backends"
    namespaced: ClassVar[bool] = False
    status: BackendStatus = Field(default_factory=BackendStatus)


class Volume(Resource[VolumeSpec, VolumeStatus]):
    """A block device on a Backend."""

    kind: ClassVar[str] = "Volume"
    plural: ClassVar[str] = "volumes"
    status: VolumeStatus = Field(default_factory=VolumeStatus)


class Attachment(Resource[AttachmentSpec, AttachmentStatus]):
    """A Volume's way to one node."""

    kind: ClassVar[str] = "Attachment"
    plural: ClassVar[str] = "attachments"
    status: AttachmentStatus = Field(default_factory=AttachmentStatus)


class NodeConnector(Resource[NodeConnectorSpec, NodeConnectorStatus]):
    """What a node's initiator can do."""

    kind: ClassVar[str] = "NodeConnector"
    plural: ClassVar[str] = "nodeconnectors"
    namespaced: ClassVar[bool] = False
    status: NodeConnectorStatus = Field(default_factory=NodeConnectorStatus)


KINDS: tuple[type[Resource[Any, Any]], ...] = (Backend, Volume, Attachment, NodeConnector)
