"""Objects as the API server would hand them out, with everything a test does not speak of filled in."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from fairlead_crds import names
from fairlead_crds.conditions import READY, Condition, ConditionStatus, Reason
from fairlead_crds.kinds import (
    AccessMode,
    Attachment,
    AttachmentSpec,
    AttachmentStatus,
    Backend,
    BackendSpec,
    Holder,
    Metadata,
    Volume,
    VolumePhase,
    VolumeSpec,
    VolumeStatus,
)
from unit.model.virtual_time import START

NOW = START
BACKEND = "b"
GIB = 2**30


def later(seconds: float) -> datetime:
    """A moment after NOW."""
    return NOW + timedelta(seconds=seconds)


def metadata(
    name: str, *, uid: str = "", version: int = 1, adopted: bool = True, deleting: bool = False, **changes: Any
) -> Metadata:
    """Metadata of an object that is adopted unless said otherwise."""
    uid = uid or f"uid-{name}"
    marks: dict[str, Any] = {}
    if adopted:
        marks = {
            "labels": {names.LABEL_ID: uid, names.LABEL_BACKEND: BACKEND},
            "annotations": {names.ANNOTATION_HANDLE: f"h-{name}"},
            "finalizers": (names.FINALIZER,),
        }
    fields: dict[str, Any] = {
        "namespace": "n",
        "uid": uid,
        "resource_version": str(version),
        "generation": 1,
        "creation_timestamp": NOW,
        "deletion_timestamp": NOW if deleting else None,
    }
    return Metadata(**{"name": name, **fields, **marks, **changes})


def condition(type_: str, holds: bool, reason: Reason, *, at: datetime = NOW) -> Condition:
    """A condition without a message."""
    status = ConditionStatus.TRUE if holds else ConditionStatus.FALSE
    return Condition(type=type_, status=status, reason=reason, last_transition_time=at, observed_generation=1)


def holder(name: str, instance: str | None = None) -> Holder:
    """The ledger entry of the Attachment of that name."""
    return Holder(
        uid=f"uid-{name}",
        name=name,
        handle=f"h-{name}",
        instance_id=instance,
        access_mode=AccessMode.READ_WRITE,
        since=NOW,
    )


def volume(
    name: str = "v",
    *,
    held_by: Iterable[Holder] = (),
    ready: bool = True,
    capacity: int | None = GIB,
    meta: Metadata | None = None,
    **spec: Any,
) -> Volume:
    """A Volume of 1 GiB, provisioned unless said otherwise."""
    held = tuple(held_by)
    status = VolumeStatus(attachments=held)
    if ready:
        status = VolumeStatus(
            observed_generation=1,
            phase=VolumePhase.HELD if held else VolumePhase.AVAILABLE,
            conditions=(condition(READY, True, Reason.PROVISIONED),),
            capacity=capacity,
            backend_name=BACKEND,
            handle=f"h-{name}",
            attachments=held,
        )
    return Volume(metadata=meta or metadata(name), spec=VolumeSpec(size="1Gi", **spec), status=status)


def attachment(
    name: str = "a", *, status: AttachmentStatus | None = None, meta: Metadata | None = None, **spec: Any
) -> Attachment:
    """An Attachment of the Volume `v`."""
    return Attachment(
        metadata=meta or metadata(name),
        spec=AttachmentSpec(**{"volume_name": "v", "write_secret": False, **spec}),
        status=status or AttachmentStatus(),
    )


def backend(name: str = BACKEND, **spec: Any) -> Backend:
    """A Backend."""
    return Backend(metadata=Metadata(name=name, uid=f"uid-{name}"), spec=BackendSpec(driver="d", **spec))
