"""The attachment in answers: SUMMARY has four keys, DETAIL four more, and nothing else ever."""

from datetime import UTC, datetime
from typing import Any

from fairlead_api.attachments.state import attach_mode, attach_status, instance
from fairlead_crds.kinds import Attachment, Volume


def timestamp(moment: datetime | None) -> str | None:
    """A time as the API writes it: UTC, always six digits, no zone. Strict parsers accept no other form."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")[:26]


def volume_id_of(attachment: Attachment, volume: Volume | None) -> str:
    """The REST id of an attachment's volume; while that is not in the mirror, the uid the operator pinned."""
    if volume is not None:
        return volume.id
    return attachment.status.volume_uid or attachment.spec.volume_name


def summary(attachment: Attachment, volume: Volume | None) -> dict[str, Any]:
    """The attachment in a list."""
    return {
        "id": attachment.id,
        "status": attach_status(attachment),
        "instance": instance(attachment),
        "volume_id": volume_id_of(attachment, volume),
    }


def detail(attachment: Attachment, volume: Volume | None, connection_info: dict[str, Any]) -> dict[str, Any]:
    """The attachment alone, or in a detailed list."""
    return {
        **summary(attachment, volume),
        "attached_at": timestamp(attachment.status.attached_at) or "",
        "detached_at": "",
        "attach_mode": attach_mode(attachment),
        "connection_info": connection_info,
    }
