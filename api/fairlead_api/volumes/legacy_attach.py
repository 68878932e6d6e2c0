"""The older attach flow, os-initialize_connection to os-detach, on the same attachments.

There the connection and the record of who has the volume are two things made by two calls, in either order. Here both
are one attachment: connecting exports it, attaching completes it, and what takes it away depends on what is left.
"""

from typing import Any

from fairlead_api.attachments.operations import completion
from fairlead_api.attachments.schemas import NewAttachmentWithMode
from fairlead_api.attachments.state import (
    ANNOTATION_INSTANCE,
    ANNOTATION_MOUNTPOINT,
    AttachStatus,
    attach_status,
    connector_text,
    host,
)
from fairlead_api.cache.revision import Operation, annotate
from fairlead_api.facade import Facade
from fairlead_api.identity.caller import Caller
from fairlead_api.protocol.faults import BadRequest, NotFound
from fairlead_api.volumes.action_schemas import Attached
from fairlead_api.volumes.status import ATTACHING, AVAILABLE, IN_USE
from fairlead_crds.kinds import Attachment, Volume


async def initialize(facade: Facade, caller: Caller, volume: Volume, connector: dict[str, Any]) -> dict[str, Any]:
    """Export a volume to a node and return connection_info in its nested form. May be repeated.

    Raises:
        BadRequest: the volume is held by another node, or the connector is incomplete.
        BackendFailed: the backend did not export it.
    """
    facade.volumes.require(caller, volume, "volume_extension:volume_actions:initialize_connection")
    attachment = next((a for a in _visible(facade, volume) if _is_of(a, connector)), None)
    if attachment is None or attachment.status.connection_info is None:
        # Without a mode of its own: the connector's counts.
        asked = NewAttachmentWithMode(volume_uuid=volume.id, connector=connector)
        attachment = await facade.attachments.begin(volume, asked)
    await facade.connections.prepare([attachment])
    flat = facade.connections.describe(caller, attachment, volume.id)
    kind = flat.pop("driver_volume_type")
    # These two came with the attachments API.
    for newer in ("attachment_id", "enforce_multipath"):
        flat.pop(newer)
    return {"driver_volume_type": kind, "data": flat}


async def terminate(facade: Facade, caller: Caller, volume: Volume, connector: dict[str, Any] | None) -> None:
    """Take the export to a node away (None: every one). The volume stays attached when somebody said that it is."""
    facade.volumes.require(caller, volume, "volume_extension:volume_actions:terminate_connection")
    for attachment in _visible(facade, volume):
        if connector is not None and not _is_of(attachment, connector):
            continue
        if attach_status(attachment) is AttachStatus.ATTACHED:
            newest, check = await facade.permissions.ask(caller, attachment)
            await facade.attachments.disconnect(newest, newest.spec.access_mode, check)
        else:
            await facade.attachments.delete(caller, attachment)


async def attach(facade: Facade, caller: Caller, volume: Volume, asked: Attached) -> None:
    """Note that an instance or a host has the volume.

    Raises:
        BadRequest: neither is named, or the volume's status forbids it.
    """
    if asked.instance_uuid is None and asked.host_name is None:
        raise BadRequest("Invalid request to attach volume to an invalid target")
    facade.volumes.require(caller, volume, "volume_extension:volume_actions:attach")
    status = facade.volumes.state(volume).status
    if status not in (AVAILABLE, ATTACHING) and not (volume.spec.multi_attach and status == IN_USE):
        raise BadRequest(
            f"Invalid volume: Volume {volume.id} status must be available or attaching to attach, but the current "
            f"status is {status}."
        )
    pending = [a for a in _visible(facade, volume) if attach_status(a) is AttachStatus.ATTACHING]
    if asked.host_name is not None:
        pending = [a for a in pending if host(a) == asked.host_name] or pending
    if pending:
        attachment = pending[0]
    else:
        named = {} if asked.instance_uuid is None else {"instance_uuid": asked.instance_uuid}
        body = NewAttachmentWithMode.model_validate({"volume_uuid": volume.id, "mode": asked.mode, **named})
        attachment = await facade.attachments.begin(volume, body)

    def note(current: Attachment) -> list[Operation]:
        notes: dict[str, str | None] = {ANNOTATION_MOUNTPOINT: asked.mountpoint}
        if asked.instance_uuid is not None and current.spec.instance_id is None:
            notes[ANNOTATION_INSTANCE] = asked.instance_uuid
        return [*completion(current), *annotate(current, notes)]

    await facade.attachments.writer.revise(attachment, note)


async def detach(facade: Facade, caller: Caller, volume: Volume, attachment_id: str | None) -> None:
    """Note that the volume is no longer attached, which ends the export if there still is one.

    Raises:
        BadRequest: several attachments, and none named.
        NotFound: the one named is not this volume's.
    """
    facade.volumes.require(caller, volume, "volume_extension:volume_actions:detach")
    attached = [a for a in _visible(facade, volume) if attach_status(a) is AttachStatus.ATTACHED]
    if attachment_id is not None:
        attached = [a for a in attached if a.id == attachment_id.lower()]
        if not attached:
            raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id}.")
    if len(attached) > 1:
        raise BadRequest(
            f"Invalid volume: Volume {volume.id} is attached to more than one instance: attachment_id is needed."
        )
    for attachment in attached:
        await facade.attachments.delete(caller, attachment)


def _visible(facade: Facade, volume: Volume) -> tuple[Attachment, ...]:
    return facade.volumes.state(volume).attachments


def _is_of(attachment: Attachment, connector: dict[str, Any]) -> bool:
    """Whether an attachment is a connector's: the same initiator, else the same host."""
    for key in ("initiator", "host"):
        wanted = connector.get(key)
        if isinstance(wanted, str) and wanted:
            return wanted == (connector_text(attachment, key) or getattr(attachment.status, key))
    return False
