"""The four kinds and their parts, in one place to import from."""

from typing import Any

from fairlead_crds.attachment import (
    LOOK_REQUEST,
    SESSIONS,
    Attachment,
    AttachmentPhase,
    AttachmentSpec,
    AttachmentStatus,
    ConflictPolicy,
    ConnectionStatus,
    DetachPolicy,
    HistoryEntry,
    SecretReference,
    Session,
    SessionsFound,
    SessionsLook,
)
from fairlead_crds.backend import (
    Backend,
    BackendSpec,
    BackendStatus,
    Capacity,
    UnknownExports,
)
from fairlead_crds.fields import (
    CONNECTOR_KEYS,
    AccessMode,
    Conditions,
    ObjectName,
    Text,
    Uid,
)
from fairlead_crds.node_connector import (
    NodeConnector,
    NodeConnectorSpec,
    NodeConnectorStatus,
)
from fairlead_crds.resource import (
    Metadata,
    Resource,
)
from fairlead_crds.volume import (
    DeletionPolicy,
    Holder,
    Volume,
    VolumePhase,
    VolumeSource,
    VolumeSpec,
    VolumeStatus,
)

KINDS: tuple[type[Resource[Any, Any]], ...] = (Backend, Volume, Attachment, NodeConnector)

__all__ = [
    "CONNECTOR_KEYS",
    "KINDS",
    "LOOK_REQUEST",
    "SESSIONS",
    "AccessMode",
    "Attachment",
    "AttachmentPhase",
    "AttachmentSpec",
    "AttachmentStatus",
    "Backend",
    "BackendSpec",
    "BackendStatus",
    "Capacity",
    "Conditions",
    "ConflictPolicy",
    "ConnectionStatus",
    "DeletionPolicy",
    "DetachPolicy",
    "HistoryEntry",
    "Holder",
    "Metadata",
    "NodeConnector",
    "NodeConnectorSpec",
    "NodeConnectorStatus",
    "ObjectName",
    "Resource",
    "SecretReference",
    "Session",
    "SessionsFound",
    "SessionsLook",
    "Text",
    "Uid",
    "UnknownExports",
    "Volume",
    "VolumePhase",
    "VolumeSource",
    "VolumeSpec",
    "VolumeStatus",
]
