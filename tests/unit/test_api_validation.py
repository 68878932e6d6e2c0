"""Request bodies: what is refused, and in which words."""

from typing import Any

import pytest

from fairlead_api.attachments import schemas as attachments
from fairlead_api.protocol.body import ABSENT, CONNECTOR_LIMIT, decode
from fairlead_api.protocol.faults import BadRequest, UnsupportedMediaType
from fairlead_api.protocol.validation import validate
from fairlead_api.volumes import action_schemas as actions
from fairlead_api.volumes import schemas as volumes

V = "2cedd274-9421-4937-be64-384ec1f0a32d"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("x", "'x' is not of type 'object'"),
        ({}, "'attachment' is a required property"),
        (
            {"attachment": None},
            "Invalid input for field/attribute attachment. Value: None. None is not of type 'object'",
        ),
        (
            {"attachment": {"volume_uuid": V}, "extra": 1},
            "Additional properties are not allowed ('extra' was unexpected)",
        ),
        (
            {"attachment": {"volume_uuid": V}, "type": 1},
            "Additional properties are not allowed ('type' was unexpected)",
        ),
        (
            {"attachment": {"instance_uuid": V}},
            f"Invalid input for field/attribute attachment. Value: {{'instance_uuid': '{V}'}}. "
            "'volume_uuid' is a required property",
        ),
        (
            {"attachment": {"volume_uuid": V, "instance_uuid": "server-1"}},
            "Invalid input for field/attribute instance_uuid. Value: server-1. 'server-1' is not a 'uuid'",
        ),
        (
            {"attachment": {"volume_uuid": V, "instance_uuid": None}},
            "Invalid input for field/attribute instance_uuid. Value: None. None is not of type 'string'",
        ),
        (
            {"attachment": {"volume_uuid": V, "mode": "wo"}},
            "Invalid input for field/attribute mode. Value: wo. 'wo' is not one of ['rw', 'ro']",
        ),
        (
            {"attachment": {"volume_uuid": V, "connector": "x"}},
            "Invalid input for field/attribute connector. Value: x. 'x' is not of type 'object'",
        ),
    ],
)
def test_a_bad_create_is_refused_in_the_services_words(body: Any, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        validate(attachments.CreateAttachmentWithMode, body)
    assert refused.value.message == message


@pytest.mark.parametrize("mode", [None, "null", "RW", 1])
def test_only_rw_and_ro_are_modes(mode: Any) -> None:
    with pytest.raises(BadRequest, match="attribute mode"):
        validate(attachments.CreateAttachmentWithMode, {"attachment": {"volume_uuid": V, "mode": mode}})


def test_below_354_mode_is_an_unknown_key() -> None:
    with pytest.raises(BadRequest, match=r"Additional properties are not allowed \('mode' was unexpected\)"):
        validate(attachments.CreateAttachment, {"attachment": {"volume_uuid": V, "mode": "ro"}})


@pytest.mark.parametrize("connector", [None, {}, {"any": {"thing": [None]}}])
def test_a_create_takes_any_connector(connector: Any) -> None:
    body = {"attachment": {"volume_uuid": V.upper(), "connector": connector}}
    assert validate(attachments.CreateAttachment, body).attachment.connector == connector


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            {"attachment": {}},
            "Invalid input for field/attribute attachment. Value: {}. 'connector' is a required property",
        ),
        (
            {"attachment": {"connector": {}}},
            "Invalid input for field/attribute connector. Value: {}. {} should be non-empty",
        ),
        (
            {"attachment": {"connector": None}},
            "Invalid input for field/attribute connector. Value: None. None is not of type 'object'",
        ),
    ],
)
def test_an_update_needs_a_connector(body: Any, message: str) -> None:
    with pytest.raises(BadRequest) as refused:
        validate(attachments.UpdateAttachment, body)
    assert refused.value.message == message


def test_a_connector_larger_than_the_resource_takes_is_refused() -> None:
    big = {"initiator": "x" * CONNECTOR_LIMIT}
    with pytest.raises(BadRequest, match="larger than 16384 bytes"):
        validate(attachments.UpdateAttachment, {"attachment": {"connector": big}})


def test_a_missing_body_is_a_bad_request() -> None:
    with pytest.raises(BadRequest, match="no JSON body"):
        validate(attachments.CreateAttachment, ABSENT)


NULLS = dict.fromkeys(
    (
        "consistencygroup_id", "snapshot_id", "name", "description", "volume_type", "availability_zone", "imageRef",
        "source_volid", "backup_id", "multiattach", "metadata",
    )
)  # fmt: skip


def test_every_field_of_a_new_volume_may_be_null() -> None:
    asked = validate(volumes.StrictCreateVolume, {"volume": {"size": 1, **NULLS}, "OS-SCH-HNT:scheduler_hints": None})
    asked.volume.check_sources()


@pytest.mark.parametrize(("size", "gib"), [(1, 1), ("12", 12)])
def test_a_size_is_a_number_or_its_digits(size: Any, gib: int) -> None:
    assert validate(volumes.CreateVolume, {"volume": {"size": size}}).volume.size == gib


@pytest.mark.parametrize("size", [0, -1, "0", "-1", "1.5", 1.5, True, [], "", "٣", 2**31, "9" * 30])
def test_anything_else_is_no_size(size: Any) -> None:
    with pytest.raises(BadRequest, match="attribute size"):
        validate(volumes.CreateVolume, {"volume": {"size": size}})


def test_a_volume_without_size_and_source_is_refused() -> None:
    with pytest.raises(BadRequest, match="size"):
        validate(volumes.CreateVolume, {"volume": {}}).volume.check_sources()


def test_unknown_keys_of_a_volume_are_refused_from_353_on_only() -> None:
    body = {"volume": {"size": 1, "colour": "red"}}
    validate(volumes.CreateVolume, body)
    with pytest.raises(BadRequest, match="'colour' was unexpected"):
        validate(volumes.StrictCreateVolume, body)


@pytest.mark.parametrize("metadata", [{"": "v"}, {"k" * 256: "v"}, {"k": "v" * 256}, {"k": 1}, {"k": None}, "x"])
def test_metadata_are_bounded_texts(metadata: Any) -> None:
    with pytest.raises(BadRequest):
        validate(volumes.CreateVolume, {"volume": {"size": 1, "metadata": metadata}})


@pytest.mark.parametrize("value", [True, "true", "True", "1", "yes"])
def test_flags_are_booleans_or_their_words(value: Any) -> None:
    assert validate(actions.SetBootable, {"os-set_bootable": {"bootable": value}}).action.bootable is True


@pytest.mark.parametrize("value", [None, "maybe", 2, {}])
def test_other_values_are_no_flags(value: Any) -> None:
    with pytest.raises(BadRequest, match="readonly"):
        validate(actions.UpdateReadonlyFlag, {"os-update_readonly_flag": {"readonly": value}})


@pytest.mark.parametrize(
    "content",
    [b"{", b'{"a": NaN}', b'{"a": "\\ud800"}', b"[" * 1000 + b"]" * 1000, b"\xff", b"'a'", b'{"a" 1}'],
)
def test_what_is_not_json_is_malformed(content: bytes) -> None:
    with pytest.raises(BadRequest, match="Malformed request body"):
        decode(content, "application/json")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON",
        "application/vnd.openstack.volume+json",
    ],
)
def test_json_has_two_content_types(content_type: str) -> None:
    assert decode(b'{"a": 1, "a": 2}', content_type) == {"a": 2}


@pytest.mark.parametrize("content_type", ["text/plain", "application/xml", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_unsupported(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaType):
        decode(b"{}", content_type)


@pytest.mark.parametrize(("content", "content_type"), [(b"", "application/json"), (b"{}", None)])
def test_without_content_or_content_type_there_is_no_body(content: bytes, content_type: str | None) -> None:
    assert decode(content, content_type) is ABSENT
