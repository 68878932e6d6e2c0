"""Bodies of the volumes API: what requests may say, and what answers say (for the OpenAPI document)."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field

from fairlead_api.attachments.schemas import Answer
from fairlead_api.protocol.faults import BadRequest, NotFound
from fairlead_api.protocol.validation import Request, UuidText, said
from fairlead_api.volumes.view import AVAILABILITY_ZONE

MAXIMUM_SIZE = 2**31 - 1
"""GiB. What Cinder's column holds, and less than a quantity of bytes can."""


def _size(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise said(f"{value!r} is not of type 'integer', 'string'")
    if isinstance(value, str):
        if not (value.isascii() and value.isdigit()) or len(value) > 10:
            raise said(f"{value!r} does not match '^[0-9]+$'")
        value = int(value)
    if value < 1:
        raise said(f"{value!r} is less than the minimum of 1")
    if value > MAXIMUM_SIZE:
        raise said(f"{value!r} is greater than the maximum of {MAXIMUM_SIZE}")
    return value


def _trimmed(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _boolean(value: Any) -> Any:
    """A JSON boolean, or a text that Cinder takes for one."""
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in ("1", "t", "true", "on", "y", "yes"):
            return True
        if lowered in ("0", "f", "false", "off", "n", "no"):
            return False
    if not isinstance(value, bool):
        raise said(f"{value!r} is not of type 'boolean'")
    return value


Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=int | str)]
Text = Annotated[str, BeforeValidator(_trimmed, json_schema_input_type=str), Field(max_length=255)]
Boolean = Annotated[bool, BeforeValidator(_boolean, json_schema_input_type=bool | str)]
MetadataKey = Annotated[str, Field(min_length=1, max_length=255)]
Metadata = dict[MetadataKey, Annotated[str, Field(max_length=255)]]


class NewVolume(Request):
    """A volume to be created, before 3.53: keys that are not known are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    size: Size | None = Field(default=None, description="GiB.")
    name: Text | None = None
    description: Text | None = None
    display_name_alias: Text | None = Field(default=None, alias="display_name")
    display_description_alias: Text | None = Field(default=None, alias="display_description")
    volume_type: Text | None = Field(default=None, description="Name or id; absent: the default type.")
    metadata: Metadata | None = None
    availability_zone: Text | None = None
    snapshot_id: UuidText | None = None
    source_volid: UuidText | None = None
    consistencygroup_id: UuidText | None = None
    group_id: UuidText | None = None
    backup_id: UuidText | None = None
    image_ref: Text | None = Field(default=None, alias="imageRef")
    image_id: Text | None = None
    multiattach: Boolean | None = Field(default=None, description="Only false: use a multiattach type instead.")

    @property
    def display_name(self) -> str | None:
        """The name, by either of its keys."""
        return self.name if self.name is not None else self.display_name_alias

    @property
    def display_description(self) -> str | None:
        """The description, by either of its keys."""
        return self.description if self.description is not None else self.display_description_alias

    def check_sources(self) -> None:
        """Refuse what a volume cannot be made of or be.

        Raises:
            NotFound: the snapshot, volume, backup or group it names.
            BadRequest: no size, an unknown zone, an image, multiattach by flag.
        """
        if self.multiattach:
            raise BadRequest(
                "Invalid input received: multiattach parameter has been removed. The default behavior is to use "
                "multiattach enabled volume types. Contact your administrator to create a multiattach enabled volume "
                "type and use it to create multiattach volumes."
            )
        if self.availability_zone not in (None, "", AVAILABILITY_ZONE):
            raise BadRequest(f"Availability zone '{self.availability_zone}' is invalid.")
        for id_, what in (
            (self.snapshot_id, "Snapshot"),
            (self.backup_id, "Backup"),
            (self.consistencygroup_id, "Consistency group"),
            (self.group_id, "Group"),
        ):
            if id_ is not None:
                raise NotFound(f"{what} {id_} could not be found.")
        if self.source_volid is not None:
            raise BadRequest("Invalid input received: volumes cannot be made from other volumes yet.")
        if self.image_ref or self.image_id:
            raise BadRequest("Invalid image identifier or unable to access requested image.")
        if self.size is None:
            raise BadRequest("Invalid input for field/attribute size. Value: None. None is not of type 'integer'")


class StrictNewVolume(NewVolume):
    """A volume to be created, from 3.53 on: keys that are not known are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class CreateVolume(Request):
    """Body of a create before 3.53."""

    volume: NewVolume
    scheduler_hints: dict[str, Any] | None = Field(default=None, alias="OS-SCH-HNT:scheduler_hints")


class StrictCreateVolume(Request):
    """Body of a create from 3.53 on."""

    volume: StrictNewVolume
    scheduler_hints: dict[str, Any] | None = Field(default=None, alias="OS-SCH-HNT:scheduler_hints")


class VolumeChange(Request):
    """What an update may change. Metadata given here replace all there are."""

    name: Text | None = None
    description: Text | None = None
    display_name: Text | None = None
    display_description: Text | None = None
    metadata: Metadata | None = None


class UpdateVolume(Request):
    """Body of an update."""

    volume: VolumeChange


class MetadataBody(Request):
    """Body of a metadata write."""

    metadata: Metadata


class MetaBody(Request):
    """Body of one metadata key's write."""

    meta: Metadata = Field(min_length=1, max_length=1)


# --- answers ---------------------------------------------------------------------------------------------------------


class Link(Answer):
    """A link."""

    rel: str
    href: str


class VolumeSummary(Answer):
    """A volume in a brief list."""

    id: str
    name: str | None
    links: list[Link]


class VolumeAttachment(Answer):
    """A node that has the volume."""

    id: str = Field(description="The volume's id.")
    attachment_id: str
    volume_id: str
    server_id: str | None
    host_name: str | None
    device: str | None
    attached_at: str | None


class VolumeDetail(VolumeSummary):
    """A volume. Which of the later keys are there depends on the microversion and on who asks."""

    status: str
    size: int = Field(description="GiB.")
    availability_zone: str
    created_at: str
    updated_at: str | None
    description: str | None
    volume_type: str | None
    snapshot_id: None
    source_volid: None
    metadata: dict[str, str]
    user_id: str | None
    bootable: Literal["true", "false"]
    encrypted: bool
    replication_status: None
    consistencygroup_id: None
    multiattach: bool
    attachments: list[VolumeAttachment]
    migration_status: None = Field(default=None, description="Administrators only.")
    group_id: None = Field(default=None, description="From 3.13 on.")
    provider_id: str | None = Field(default=None, description="From 3.21 on; administrators only.")
    shared_targets: bool = Field(default=False, description="From 3.48 on.")
    service_uuid: str | None = Field(default=None, description="From 3.48 on.")
    cluster_name: None = Field(default=None, description="From 3.61 on; administrators only.")
    volume_type_id: str | None = Field(default=None, description="From 3.63 on.")
    consumes_quota: bool = Field(default=True, description="From 3.65 on.")
    tenant_id: str = Field(default="", alias="os-vol-tenant-attr:tenant_id", description="On show and detail.")
    migstat: None = Field(default=None, alias="os-vol-mig-status-attr:migstat", description="Administrators only.")
    name_id: None = Field(default=None, alias="os-vol-mig-status-attr:name_id", description="Administrators only.")
    host: str | None = Field(default=None, alias="os-vol-host-attr:host", description="Administrators only.")


class VolumeAnswer(Answer):
    """One volume."""

    volume: VolumeDetail


class VolumeList(Answer):
    """Volumes in brief."""

    volumes: list[VolumeSummary]
    volumes_links: list[Link] = Field(default=[], description="The next page, when this one is full.")
    count: int = Field(default=0, description="From 3.45 on, with with_count: how many there are in all.")


class VolumeDetailList(Answer):
    """Volumes in full."""

    volumes: list[VolumeDetail]
    volumes_links: list[Link] = Field(default=[], description="The next page, when this one is full.")
    count: int = Field(default=0, description="From 3.45 on, with with_count: how many there are in all.")


class MetadataAnswer(Answer):
    """Metadata."""

    metadata: dict[str, str]


class MetaAnswer(Answer):
    """One metadata key."""

    meta: dict[str, str]


class TypeDetail(Answer):
    """A volume type."""

    id: str
    name: str
    is_public: bool
    description: str
    extra_specs: dict[str, str]
    qos_specs_id: None
    access_is_public: bool = Field(alias="os-volume-type-access:is_public")


class TypeAnswer(Answer):
    """One volume type."""

    volume_type: TypeDetail


class TypeList(Answer):
    """Volume types."""

    volume_types: list[TypeDetail]


class Totals(Answer):
    """How many volumes there are."""

    total_count: int
    total_size: int = Field(description="GiB.")
    metadata: dict[str, list[str]] = Field(default={}, description="From 3.36 on.")


class SummaryAnswer(Answer):
    """The summary of the volumes."""

    volume_summary: Totals = Field(alias="volume-summary")


class ExtraSpecs(Answer):
    """A volume type's extra specs."""

    extra_specs: dict[str, str]
