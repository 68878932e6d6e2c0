"""The volume in answers, at each microversion."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from fairlead_api.attachments.state import AttachStatus, attach_status, device, host, instance
from fairlead_api.attachments.view import timestamp
from fairlead_api.cache.ordering import created_at
from fairlead_api.protocol.microversion import Microversion
from fairlead_api.volumes import types
from fairlead_api.volumes.admin_metadata import VISIBLE, admin_metadata
from fairlead_api.volumes.status import VolumeState
from fairlead_crds import conditions, names
from fairlead_crds.kinds import Attachment, Volume
from fairlead_crds.quantity import to_gib
from fairlead_kube.turns import in_turns

AVAILABILITY_ZONE: Final = "nova"
"""The one zone, named as every deployment's default is."""

GROUP_ID: Final = Microversion(3, 13)
PROVIDER_ID: Final = Microversion(3, 21)
SHARED_TARGETS: Final = Microversion(3, 48)
SUMMARY_METADATA: Final = Microversion(3, 36)
CLUSTER_NAME: Final = Microversion(3, 61)
VOLUME_TYPE_ID: Final = Microversion(3, 63)
CONSUMES_QUOTA: Final = Microversion(3, 65)


@dataclass(frozen=True, slots=True)
class Viewer:
    """For whom a volume is shown, and how.

    Attributes:
        version: the request's microversion.
        admin: whether administrators' keys are shown.
        base_url: scheme and host for links.
        project_segment: the project in the request's URL; links have it only then.
    """

    version: Microversion
    admin: bool
    base_url: str
    project_segment: str | None

    def links(self, volume_id: str) -> list[dict[str, str]]:
        """The links of a volume."""
        below = f"{self.project_segment}/" if self.project_segment else ""
        return [
            {"rel": "self", "href": f"{self.base_url}/v3/{below}volumes/{volume_id}"},
            {"rel": "bookmark", "href": f"{self.base_url}/{below}volumes/{volume_id}"},
        ]


def summary(volume: Volume, viewer: Viewer) -> dict[str, Any]:
    """The volume in a brief list."""
    return {"id": volume.id, "name": volume.spec.display_name, "links": viewer.links(volume.id)}


def detail(volume: Volume, state: VolumeState, viewer: Viewer, tenant: str | None) -> dict[str, Any]:
    """The volume alone or in a detailed list; `tenant` None leaves the owner out, as create and update do."""
    backend = volume.status.backend_name or volume.spec.backend_name
    version = viewer.version
    type_name = types.type_name(volume)
    body: dict[str, Any] = {
        "id": volume.id,
        "status": state.status,
        "size": to_gib(volume.spec.size_bytes),
        "availability_zone": AVAILABILITY_ZONE,
        "created_at": timestamp(created_at(volume)),
        "updated_at": timestamp(updated_at(volume, state)),
        "name": volume.spec.display_name,
        "description": volume.spec.display_description,
        "volume_type": type_name,
        "snapshot_id": None,
        "source_volid": None,
        "metadata": shown_metadata(volume),
        "links": viewer.links(volume.id),
        "user_id": volume.metadata.annotations.get(names.ANNOTATION_USER),
        "bootable": str(volume.spec.bootable).lower(),
        "encrypted": False,
        "replication_status": None,
        "consistencygroup_id": None,
        "multiattach": volume.spec.multi_attach,
        "attachments": [
            _attachment(volume, attachment, admin=viewer.admin)
            for attachment in state.attachments
            if attach_status(attachment) is AttachStatus.ATTACHED
        ],
    }
    if viewer.admin:
        body["migration_status"] = None
    if version >= GROUP_ID:
        body["group_id"] = None
    if version >= PROVIDER_ID and viewer.admin:
        body["provider_id"] = volume.status.handle
    if version >= SHARED_TARGETS:
        # One target per attachment: Nova need not serialise what it does on a host.
        body["shared_targets"] = False
        body["service_uuid"] = None if backend is None else types.type_id(backend)
    if version >= CLUSTER_NAME and viewer.admin:
        body["cluster_name"] = None
    if version >= VOLUME_TYPE_ID:
        body["volume_type_id"] = None if type_name is None else types.type_id(type_name)
    if version >= CONSUMES_QUOTA:
        body["consumes_quota"] = True
    if tenant is not None:
        body["os-vol-tenant-attr:tenant_id"] = tenant
    if viewer.admin:
        body["os-vol-mig-status-attr:migstat"] = None
        body["os-vol-mig-status-attr:name_id"] = None
        body["os-vol-host-attr:host"] = None if backend is None else f"fairlead@{backend}#{backend}"
    return body


def shown_metadata(volume: Volume) -> dict[str, str]:
    """A volume's metadata with the visible part of its admin metadata."""
    hidden = admin_metadata(volume)
    return {**volume.spec.metadata, **{key: hidden[key] for key in VISIBLE if key in hidden}}


def updated_at(volume: Volume, state: VolumeState) -> datetime | None:
    """When anything about a volume last changed, as far as its conditions and attachments tell; None: never."""
    ready = conditions.find(volume.status.conditions, conditions.READY)
    moments = [ready.last_transition_time] if ready is not None else []
    for attachment in state.attachments:
        status = attachment.status
        moments += [m for m in (status.reserved_at, status.attached_at, status.completed_at) if m is not None]
    changed = volume.metadata.annotations.get(names.ANNOTATION_UPDATED)
    if changed is not None:
        moments.append(datetime.fromisoformat(changed))
    return max(moments) if moments else None


def _attachment(volume: Volume, attachment: Attachment, *, admin: bool) -> dict[str, Any]:
    return {
        # The volume's id, for historical reasons; clients go by attachment_id.
        "id": volume.id,
        "attachment_id": attachment.id,
        "volume_id": volume.id,
        "server_id": instance(attachment),
        "host_name": host(attachment) if admin else None,
        "device": device(attachment),
        "attached_at": timestamp(attachment.status.attached_at),
    }


async def totals(volumes: Sequence[Volume], version: Microversion) -> dict[str, Any]:
    """The summary of many volumes; from 3.36 on with every value of each metadata key."""
    body: dict[str, Any] = {"total_count": len(volumes), "total_size": await total_gib(volumes)}
    if version >= SUMMARY_METADATA:
        # Dictionaries as ordered sets: a key may have as many values as there are volumes.
        values: dict[str, dict[str, None]] = {}
        async for volume in in_turns(volumes):
            for key, value in volume.spec.metadata.items():
                values.setdefault(key, {})[value] = None
        body["metadata"] = {key: list(found) for key, found in values.items()}
    return body


async def total_gib(volumes: Sequence[Volume]) -> int:
    """The sizes of many volumes together, in GiB."""
    return sum([to_gib(volume.spec.size_bytes) async for volume in in_turns(volumes)])
