"""The gate: which statuses permit what. Cinder's rules, stricter than the safety rule that the operator applies."""

from collections.abc import Sequence
from typing import Final

from fairlead_api.attachments.state import AttachStatus, attach_status
from fairlead_api.attachments.state import instance as instance_of
from fairlead_api.protocol.faults import BadRequest, Conflict
from fairlead_api.volumes.status import VolumeState, derive
from fairlead_crds.kinds import Attachment, Volume

_RESERVABLE: Final = ("available", "downloading")
_RESERVABLE_MULTI: Final = ("available", "in-use", "downloading")
_DELETABLE: Final = ("available", "error", "error_restoring", "error_extending", "error_managing")


def check_reserve(volume: Volume, attachments: Sequence[Attachment], instance: str | None) -> None:
    """Whether an attachment may be created on a volume.

    Raises:
        BadRequest: the volume's status forbids it.
    """
    state = derive(volume, attachments)
    if "error" in state.status:
        raise BadRequest(
            "Invalid volume: Volume attachments can not be created if the volume is in an error state. "
            f"The Volume {volume.id} currently has a status of: {state.status} "
        )
    if state.status in (_RESERVABLE_MULTI if volume.spec.multi_attach else _RESERVABLE):
        return
    # Live migration, resize and swap: a second attachment of the instance that has the volume already.
    again = instance and any(instance_of(a) == instance for a in state.attachments)
    if not again or state.status not in ("in-use", "reserved"):
        raise cannot_reserve(volume, state.status, _holders(state.attachments))


def _holders(attachments: Sequence[Attachment]) -> str:
    """Say who holds the volume: by REST id, and by name where kubectl users know another."""
    named = [a.id if a.metadata.name == a.id else f"{a.id} ({a.metadata.name})" for a in attachments]
    return f"It is held by attachment {', '.join(named)}" if named else ""


def cannot_reserve(volume: Volume, status: str, why: str = "") -> BadRequest:
    """The refusal of a reservation."""
    allowed = " or ".join(_RESERVABLE_MULTI if volume.spec.multi_attach else _RESERVABLE)
    tail = f" {why}." if why else ""
    return BadRequest(
        f"Invalid volume: Volume {volume.id} status must be {allowed} to reserve, but the current status is "
        f"{status}.{tail}"
    )


def check_connect(volume: Volume, attachments: Sequence[Attachment]) -> None:
    """Whether an attachment of a volume may be given a connector.

    Raises:
        Conflict: the volume is in error, or another attachment of a volume for one has a connection.
    """
    state = derive(volume, attachments)
    if "error" in state.status:
        raise Conflict(
            f"Resource conflict: Volume attachments can not be updated if the volume is in an error state. The Volume "
            f"{volume.id} currently has a status of: {state.status} "
        )
    if not volume.spec.multi_attach and len(state.attachments) > 1 and any(map(_connected, state.attachments)):
        raise Conflict(f"Resource conflict: duplicate connectors detected on volume {volume.id}")


def _connected(attachment: Attachment) -> bool:
    return attachment.status.connection_info is not None


def check_delete(volume: Volume, state: VolumeState, *, force: bool = False) -> None:
    """Whether a volume may be deleted.

    Raises:
        BadRequest: its status forbids it, or it is attached.
    """
    attached = any(attach_status(attachment) is AttachStatus.ATTACHED for attachment in state.attachments)
    if attached or not (force or state.status in _DELETABLE):
        raise BadRequest(
            f"Invalid volume: Volume status must be {' or '.join(_DELETABLE)} and must not be migrating, attached, "
            f"belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume "
            f"transfer. Volume {volume.id} is {state.status}."
        )
