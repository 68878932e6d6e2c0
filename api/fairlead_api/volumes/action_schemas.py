"""Bodies of the actions on a volume."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from fairlead_api.attachments.schemas import Answer, ConnectorField
from fairlead_api.protocol.validation import Request, UuidText
from fairlead_api.volumes.schemas import Boolean, Size


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


VolumeStatus = Literal[
    "creating", "available", "deleting", "error", "error_deleting", "error_managing", "managing", "attaching",
    "in-use", "detaching", "maintenance", "restoring-backup", "error_restoring", "reserved", "awaiting-transfer",
    "backing-up", "error_backing-up", "error_extending", "downloading", "uploading", "retyping", "extending",
]  # fmt: skip
"""Statuses that can be set by hand."""


class Flag(Request):
    """Whether attachments are read-only."""

    readonly: Boolean


class UpdateReadonlyFlag(Request):
    """`os-update_readonly_flag`."""

    action: Flag = Field(alias="os-update_readonly_flag")


class Bootable(Request):
    """Whether it can be booted from."""

    bootable: Boolean


class SetBootable(Request):
    """`os-set_bootable`."""

    action: Bootable = Field(alias="os-set_bootable")


class Status(Request):
    """The statuses to show."""

    status: Annotated[VolumeStatus, BeforeValidator(_lowered, json_schema_input_type=VolumeStatus)] | None = None
    attach_status: Literal["attached", "detached"] | None = Field(
        default=None, description="Accepted; what a node has follows from the attachments."
    )
    migration_status: str | None = Field(default=None, description="Accepted; volumes are not migrated.")


class ResetStatus(Request):
    """`os-reset_status`."""

    action: Status = Field(alias="os-reset_status")


class NewSize(Request):
    """The size to grow to."""

    new_size: Size = Field(description="GiB.")


class Extend(Request):
    """`os-extend`."""

    action: NewSize = Field(alias="os-extend")


class NewType(Request):
    """The type to have."""

    new_type: str = Field(min_length=1, max_length=255)
    migration_policy: Literal["on-demand", "never"] | None = None


class Retype(Request):
    """`os-retype`."""

    action: NewType = Field(alias="os-retype")


class Migration(Request):
    """A swap that is over."""

    new_volume: UuidText
    error: Boolean | None = None


class MigrateCompletion(Request):
    """`os-migrate_volume_completion`."""

    action: Migration = Field(alias="os-migrate_volume_completion")


class Extension(Request):
    """An extension that is over."""

    error: Boolean | None = None


class ExtendCompletion(Request):
    """`os-extend_volume_completion`."""

    action: Extension = Field(alias="os-extend_volume_completion")


class ConnectorOnly(Request):
    """The node to connect."""

    connector: ConnectorField


class InitializeConnection(Request):
    """`os-initialize_connection`."""

    action: ConnectorOnly = Field(alias="os-initialize_connection")


class MaybeConnector(Request):
    """The node to disconnect; null: every one."""

    connector: ConnectorField | None
    force: Boolean | None = None


class TerminateConnection(Request):
    """`os-terminate_connection`."""

    action: MaybeConnector = Field(alias="os-terminate_connection")


class Attached(Request):
    """Who has the volume, and where."""

    instance_uuid: UuidText | None = None
    host_name: str | None = Field(default=None, max_length=255)
    mountpoint: str = Field(min_length=1, max_length=255)
    mode: Literal["rw", "ro"] = "rw"


class Attach(Request):
    """`os-attach`."""

    action: Attached = Field(alias="os-attach")


class WhichAttachment(Request):
    """Which attachment ends; absent or null: the only one."""

    attachment_id: UuidText | None = None


class Detach(Request):
    """`os-detach`."""

    action: WhichAttachment = Field(alias="os-detach")


class BeginDetaching(Request):
    """`os-begin_detaching`; any value."""

    action: Any = Field(alias="os-begin_detaching")


class RollDetaching(Request):
    """`os-roll_detaching`; any value."""

    action: Any = Field(alias="os-roll_detaching")


class Reserve(Request):
    """`os-reserve`; any value."""

    action: Any = Field(alias="os-reserve")


class Unreserve(Request):
    """`os-unreserve`; any value."""

    action: Any = Field(alias="os-unreserve")


class ForceDelete(Request):
    """`os-force_delete`; any value."""

    action: Any = Field(alias="os-force_delete")


ACTIONS: tuple[type[Request], ...] = (
    BeginDetaching, RollDetaching, Reserve, Unreserve, UpdateReadonlyFlag, SetBootable, ResetStatus, Extend,
    ForceDelete, Retype, MigrateCompletion, ExtendCompletion, InitializeConnection, TerminateConnection, Attach, Detach,
)  # fmt: skip
"""Every action's body."""


class NestedConnectionInfo(Answer):
    """connection_info in its older, nested form."""

    driver_volume_type: str
    data: dict[str, Any]


class ActionAnswer(Answer):
    """What the actions that answer something answer."""

    connection_info: NestedConnectionInfo = Field(
        default=NestedConnectionInfo(driver_volume_type="", data={}), description="os-initialize_connection"
    )
    save_volume_id: str = Field(default="", description="os-migrate_volume_completion")
