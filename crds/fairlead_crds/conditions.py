"""The standard condition, its types and the closed list of reasons."""

import enum
from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from fairlead_crds.schema import Model


class ConditionStatus(enum.StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Reason(enum.StrEnum):
    """Every reason that a condition may carry. People and alerts match on these, so the list only grows."""

    # Backend, Ready
    SERVING = "Serving"
    NOTHING_EXPORTED = "NothingExported"
    UNKNOWN_DRIVER = "UnknownDriver"
    INVALID_PARAMETERS = "InvalidParameters"
    DRIVER_UNAVAILABLE = "DriverUnavailable"
    AMBIGUOUS_DEFAULT = "AmbiguousDefault"
    # Volume, Ready
    PROVISIONED = "Provisioned"
    PROVISIONING = "Provisioning"
    OUT_OF_SPACE = "OutOfSpace"
    RESIZE_FAILED = "ResizeFailed"
    DELETING = "Deleting"
    HELD = "Held"
    SOURCE_NOT_FOUND = "SourceNotFound"
    VOLUME_LOST = "VolumeLost"
    # Volume and Attachment: no Backend to turn to
    UNKNOWN_BACKEND = "UnknownBackend"
    NO_DEFAULT_BACKEND = "NoDefaultBackend"
    BACKEND_NOT_READY = "BackendNotReady"
    NAMESPACE_NOT_ALLOWED = "NamespaceNotAllowed"
    # Attachment, Admitted
    ADMITTED = "Admitted"
    VOLUME_NOT_FOUND = "VolumeNotFound"
    VOLUME_NOT_READY = "VolumeNotReady"
    VOLUME_IN_USE = "VolumeInUse"
    VOLUME_DELETED = "VolumeDeleted"
    RESERVATION_EXPIRED = "ReservationExpired"
    # Attachment, Exported
    EXPORTED = "Exported"
    RESERVED = "Reserved"
    NODE_CONNECTOR_NOT_FOUND = "NodeConnectorNotFound"
    INCOMPLETE_CONNECTOR = "IncompleteConnector"
    DRIVER_ERROR = "DriverError"
    DETACHING = "Detaching"
    SESSION_CUT = "SessionCut"
    NODE_GONE = "NodeGone"
    NOT_ADMITTED = "NotAdmitted"
    # Attachment, Completed
    COMPLETED = "Completed"
    NOT_COMPLETED = "NotCompleted"


class Condition(Model):
    """One observation of an object, in Kubernetes' standard shape (metav1.Condition)."""

    type: str = Field(description="What is observed.", min_length=1, max_length=64)
    status: ConditionStatus = Field(description="Whether it holds.")
    reason: str = Field(description="One word of why, from a closed list.", min_length=1, max_length=64)
    message: str = Field(default="", description="The same for a person to read.", max_length=2048)
    last_transition_time: datetime = Field(description="When status last changed.")
    observed_generation: int = Field(default=0, description="The metadata.generation it was observed on.", ge=0)


def find(conditions: Iterable[Condition], type_: str) -> Condition | None:
    """Return the condition of that type, if there is one."""
    return next((c for c in conditions if c.type == type_), None)


def is_true(conditions: Iterable[Condition], type_: str) -> bool:
    """Tell whether the condition of that type is there and True."""
    found = find(conditions, type_)
    return found is not None and found.status is ConditionStatus.TRUE


READY = "Ready"
ADMITTED = "Admitted"
EXPORTED = "Exported"
COMPLETED = "Completed"
