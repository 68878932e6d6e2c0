"""Bodies of the attachments API: what requests may say, and what answers say (for the OpenAPI document)."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import to_json

from fairlead_api.protocol.body import CONNECTOR_LIMIT
from fairlead_api.protocol.validation import Request, UuidText, said
from fairlead_crds.kinds import AccessMode

HOST_LIMIT: Final = 255
"""Characters: what the Attachment's status has room for, and the longest name DNS knows."""

Connector = dict[str, Any]


def _fits(value: Any) -> Any:
    if isinstance(value, dict) and len(to_json(value)) > CONNECTOR_LIMIT:
        raise said(f"The connector is larger than {CONNECTOR_LIMIT} bytes")
    if isinstance(value, dict) and isinstance(host := value.get("host"), str) and len(host) > HOST_LIMIT:
        # The Attachment's status says the host; a longer one could never be reported as exported.
        raise said(f"The connector's host is longer than {HOST_LIMIT} characters")
    return value


def _not_empty(value: Any) -> Any:
    if value == {}:
        raise said("{} should be non-empty")
    return value


ConnectorField = Annotated[
    Connector,
    BeforeValidator(_fits, json_schema_input_type=Connector),
    Field(description="The node's initiator, with os-brick's keys. Any keys are accepted and kept as they are."),
]


class NewAttachment(Request):
    """An attachment to be created, before 3.54."""

    volume_uuid: UuidText = Field(description="The volume.")
    instance_uuid: UuidText = Field(default="", description="The server it is for.")
    connector: ConnectorField | None = Field(default=None, description="Absent, null and {}: only reserve the volume.")

    @property
    def asked_mode(self) -> AccessMode | None:
        """The mode asked for; None: none was."""
        return None


class NewAttachmentWithMode(NewAttachment):
    """An attachment to be created, from 3.54 on."""

    mode: Literal["rw", "ro"] = Field(default="rw", description="How the node may use the volume.")

    @property
    def asked_mode(self) -> AccessMode | None:
        """The mode asked for; None: none was."""
        if "mode" not in self.model_fields_set:
            return None
        return AccessMode.READ_ONLY if self.mode == "ro" else AccessMode.READ_WRITE


class CreateAttachment(Request):
    """Body of a create before 3.54."""

    attachment: NewAttachment


class CreateAttachmentWithMode(Request):
    """Body of a create from 3.54 on."""

    attachment: NewAttachmentWithMode


class Connection(Request):
    """What an update says."""

    connector: Annotated[ConnectorField, BeforeValidator(_not_empty, json_schema_input_type=Connector)] = Field(
        min_length=1
    )


class UpdateAttachment(Request):
    """Body of an update."""

    attachment: Connection


class Complete(Request):
    """Body of an action."""

    os_complete: Any = Field(alias="os-complete", description="Any value; null is usual.")


# --- answers ---------------------------------------------------------------------------------------------------------


class Answer(BaseModel):
    """A node of an answer: exactly these keys."""

    model_config = ConfigDict(extra="forbid")


class ConnectionInfo(BaseModel):
    """How to reach the export, flat: the driver's data at the top level. `{}` while the volume is only reserved."""

    model_config = ConfigDict(extra="allow")

    driver_volume_type: str | None = Field(default=None, description="iscsi, ...")
    attachment_id: str | None = None
    volume_id: str | None = None
    access_mode: Literal["rw", "ro"] | None = None
    qos_specs: dict[str, Any] | None = None
    encrypted: bool | None = None
    cacheable: bool | None = None
    enforce_multipath: Any = None


class AttachmentSummary(Answer):
    """An attachment in a list."""

    id: str
    status: Literal["reserved", "attaching", "attached"]
    instance: str | None
    volume_id: str


class AttachmentDetail(AttachmentSummary):
    """An attachment."""

    attached_at: str = Field(description="UTC, six digits of a second, no zone; empty until connected.")
    detached_at: str = Field(description="Empty on every live attachment.")
    attach_mode: str | None = Field(description='rw, ro, or the text "null" when no mode was given.')
    connection_info: ConnectionInfo


class AttachmentAnswer(Answer):
    """One attachment."""

    attachment: AttachmentDetail


class AttachmentList(Answer):
    """Attachments in brief."""

    attachments: list[AttachmentSummary]


class AttachmentDetailList(Answer):
    """Attachments in full."""

    attachments: list[AttachmentDetail]
