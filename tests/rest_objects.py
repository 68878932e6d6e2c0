"""Volumes and Attachments as the facade meets them, said in few words."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fairlead_crds import names
from fairlead_crds.kinds import Attachment, Volume

T0 = datetime(2026, 11, 24, 2, 3, 50, 754730, UTC)
VOLUME_ID = "d1ac6200-31b8-4a8c-bb1c-97c6e8bfb0aa"
CONNECTOR = {"initiator": "iqn.1993-08.org.debian:01:cad181614cec", "host": "node-1", "mountpoint": "/dev/vdb"}


def at(seconds: float) -> str:
    """A moment, so many seconds after the beginning."""
    return (T0 + timedelta(seconds=seconds)).isoformat()


def condition(type_: str, holds: bool, reason: str, message: str = "") -> dict[str, Any]:
    return {
        "type": type_,
        "status": str(holds),
        "reason": reason,
        "message": message,
        "lastTransitionTime": at(0),
    }


def volume(
    *,
    id_: str = VOLUME_ID,
    phase: str = "Available",
    capacity: int | None = 2**30,
    reason: str = "Provisioned",
    deleting: bool = False,
    annotations: dict[str, str] | None = None,
    namespace: str = "p",
    created: float = 0,
    **spec: Any,
) -> Volume:
    ready = condition("Ready", phase in ("Available", "Held"), reason)
    return Volume.model_validate(
        {
            "metadata": {
                "name": id_,
                "namespace": namespace,
                "uid": f"uid-{id_}",
                "resourceVersion": "1",
                "creationTimestamp": at(created),
                "deletionTimestamp": at(1) if deleting else None,
                "labels": {names.LABEL_ID: id_, names.LABEL_BACKEND: "fast"},
                "annotations": {
                    names.ANNOTATION_CREATED: at(created),
                    names.ANNOTATION_USER: "u",
                    **(annotations or {}),
                },
                "finalizers": [names.FINALIZER],
            },
            "spec": {"size": "1Gi", "backendName": "fast", **spec},
            "status": {"phase": phase, "capacity": capacity, "backendName": "fast", "conditions": [ready]},
        }
    )


def attachment(
    id_: str = "08a7264e-f05a-4e5c-9627-b36a5f9d7c44",
    *,
    state: str = "reserved",
    admitted: bool = True,
    created: float = 0,
    since: float = 0,
    namespace: str = "p",
    status: dict[str, Any] | None = None,
    labels: dict[str, str] | None = None,
    **spec: Any,
) -> Attachment:
    """An attachment that is `reserved`, `attaching` or `attached`, since so many seconds after the beginning."""
    exported = state != "reserved" and spec.get("connector", CONNECTOR) is not None
    conditions = [
        condition("Admitted", admitted, "Admitted" if admitted else "VolumeInUse"),
        condition("Exported", exported, "Exported" if exported else "Reserved"),
    ]
    body: dict[str, Any] = {
        "phase": {"reserved": "Reserved", "attaching": "Exported", "attached": "Completed"}[state],
        "conditions": conditions,
        "reservedAt": at(created),
        "attachedAt": at(since) if exported else None,
        "completedAt": at(since) if state == "attached" else None,
        "observedGeneration": 1,
    }
    if exported:
        data = {"target_portal": "192.0.2.10:3260", "target_iqn": f"iqn.x:{id_}", "target_lun": 1}
        body |= {"connectionInfo": {"driverVolumeType": "iscsi", "data": data}, "accessMode": "ReadWrite"}
        spec = {"connector": CONNECTOR, **spec}
    return Attachment.model_validate(
        {
            "metadata": {
                "name": id_,
                "namespace": namespace,
                "uid": f"uid-{id_}",
                "resourceVersion": "1",
                "generation": 1,
                "labels": {names.LABEL_ID: id_, names.LABEL_BACKEND: "fast", **(labels or {})},
                "annotations": {names.ANNOTATION_CREATED: at(created)},
                "finalizers": [names.FINALIZER],
            },
            "spec": {"volumeName": VOLUME_ID, "writeSecret": False, "completed": state == "attached", **spec},
            "status": {**body, **(status or {})},
        }
    )
