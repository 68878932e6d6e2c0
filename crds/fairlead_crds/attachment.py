"""Attachment: a Volume's way to one node."""

import enum
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from fairlead_crds.fields import CONNECTOR_KEYS, PRESERVE, AccessMode, Conditions, ObjectName, unchanging
from fairlead_crds.resource import Resource
from fairlead_crds.schema import Cel, Model

LOOK_REQUEST = 64
"""Characters of a request to look at sessions at most; longer ones are not answered."""
SESSIONS = 16
"""Sessions that a status has room for."""


class ConflictPolicy(enum.StrEnum):
    """What an Attachment does when its volume is held by another."""

    WAIT = "Wait"
    REJECT = "Reject"


class DetachPolicy(enum.StrEnum):
    """When a deleted Attachment is cut off."""

    IMMEDIATE = "Immediate"
    WAIT_FOR_LOGOUT = "WaitForLogout"


class AttachmentPhase(enum.StrEnum):
    """Where an Attachment stands, coarsely; conditions say why."""

    PENDING = "Pending"
    RESERVED = "Reserved"
    EXPORTING = "Exporting"
    EXPORTED = "Exported"
    COMPLETED = "Completed"
    DETACHING = "Detaching"
    REJECTED = "Rejected"


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


class Session(Model):
    """A node's live connection to an export."""

    initiator: str = Field(description="Name of the initiator.", max_length=255)
    address: str = Field(default="", description="Where it connects from.", max_length=255)

    def __str__(self) -> str:
        """For people."""
        return f"{self.initiator} from {self.address}"


class SessionsFound(enum.StrEnum):
    """What a look at an export's sessions found."""

    LIVE = "Live"
    NONE = "None"
    UNKNOWN = "Unknown"


class SessionsLook(Model):
    """The answer to a request to look who is logged in."""

    request: str = Field(description="The request that it answers, and no other.", max_length=LOOK_REQUEST)
    observed_at: datetime = Field(description="When the operator looked.")
    observed_generation: int = Field(description="The metadata.generation that stood at that time.", ge=0)
    initiator: str | None = Field(default=None, description="The one initiator admitted then.", max_length=255)
    found: SessionsFound = Field(
        description="Live: status.sessions has who was logged in. None: nobody was. Unknown: message says why."
    )
    message: str = Field(default="", description="Why nobody can tell.", max_length=1024)


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
    node_name: str | None = Field(default=None, description="The nodeName that it is exported for.", max_length=253)
    node_uid: str | None = Field(
        default=None, description="metadata.uid of the Node called nodeName, when there is one.", max_length=64
    )
    connection_info: ConnectionStatus | None = Field(default=None, description="How the node reaches it. No secrets.")
    secret_ref: SecretReference | None = Field(default=None, description="Where the CHAP credentials are, when asked.")
    sessions: tuple[Session, ...] = Field(
        default=(), description="Live connections, as last looked at on request: see sessionsLook.", max_length=SESSIONS
    )
    sessions_look: SessionsLook | None = Field(default=None, description="When who was logged in was last looked at.")
    reserved_at: datetime | None = Field(default=None, description="When the volume was reserved for it.")
    attached_at: datetime | None = Field(default=None, description="When it was last exported.")
    completed_at: datetime | None = Field(default=None, description="When the node's completion was seen.")
    rejected_at: datetime | None = Field(default=None, description="When it was refused for good.")
    history: tuple[HistoryEntry, ...] = Field(default=(), description="The last ten steps, newest last.", max_length=10)


class Attachment(Resource[AttachmentSpec, AttachmentStatus]):
    """A Volume's way to one node."""

    kind: ClassVar[str] = "Attachment"
    plural: ClassVar[str] = "attachments"
    status: AttachmentStatus = Field(default_factory=AttachmentStatus)
