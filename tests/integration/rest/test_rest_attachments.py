"""The attachments API on real parts: states, modes, refusals, real I/O."""

import uuid
from typing import Any

import pytest

from iscsi import Initiator, login, read_pattern, write_pattern
from rest import NODE_1, NODE_2, Rest, access, connector

SERVER = "a7816a4b-fe9d-4767-99eb-38bb87113407"
OTHER = "4fe2fd1b-720c-489f-9e20-9e9e1978fa8f"


def show(rest: Rest, attachment_id: str) -> dict[str, Any]:
    return dict(rest.ok("GET", f"/attachments/{attachment_id}", status=200)["attachment"])


def test_a_life_with_real_io_from_nothing_but_connection_info(rest: Rest) -> None:
    volume = rest.volume(name="data")

    reserved = rest.reserve(volume, SERVER)
    assert reserved == {
        "id": reserved["id"],
        "status": "reserved",
        "instance": SERVER,
        "volume_id": volume,
        "attached_at": "",
        "detached_at": "",
        "attach_mode": "null",
        "connection_info": {},
    }
    assert rest.status(volume) == "reserved"

    attaching = rest.connect(reserved["id"])
    assert attaching == show(rest, reserved["id"])
    assert (attaching["status"], attaching["attach_mode"]) == ("attaching", "rw")
    assert rest.status(volume) == "attaching"
    assert rest.shown(volume)["attachments"] == []

    node = access(attaching)
    assert write_pattern(node, pattern=0x5A)
    rest.complete(reserved["id"])
    rest.complete(reserved["id"])
    assert rest.status(volume) == "in-use"
    assert rest.shown(volume)["attachments"] == [
        {
            "id": volume,
            "attachment_id": reserved["id"],
            "volume_id": volume,
            "server_id": SERVER,
            "host_name": "host-of-cec",
            "device": "/dev/vdb",
            "attached_at": attaching["attached_at"],
        }
    ]

    with Initiator(node) as session:
        assert session.read(pattern=0x5A)
        assert rest.detach(reserved["id"]) == []
        session.begin_write(pattern=1)
    assert not login(node).accepted
    assert rest.status(volume) == "available"
    assert rest.get(f"/attachments/{reserved['id']}").status == 404

    again = rest.attach(volume, NODE_2)
    assert read_pattern(access(again, NODE_2), pattern=0x5A)


def test_connection_info_has_the_keys_that_the_service_adds(rest: Rest) -> None:
    volume = rest.volume()
    made = rest.attach(volume)
    info = made["connection_info"]
    assert {key: info[key] for key in ("driver_volume_type", "attachment_id", "volume_id", "access_mode")} == {
        "driver_volume_type": "iscsi",
        "attachment_id": made["id"],
        "volume_id": volume,
        "access_mode": "rw",
    }
    assert (info["qos_specs"], info["encrypted"], info["cacheable"], info["enforce_multipath"]) == (
        None,
        False,
        False,
        False,
    )
    assert info["auth_method"] == "CHAP"


@pytest.mark.parametrize(
    ("fields", "connector_mode", "two_steps", "mode"),
    [
        ({}, None, True, "rw"),
        ({}, "ro", True, "ro"),
        ({"mode": "ro"}, None, True, "ro"),
        ({"mode": "ro"}, "rw", True, "ro"),
        ({"mode": "rw"}, "ro", True, "rw"),
        ({}, None, False, "null"),
        ({}, "ro", False, "ro"),
        ({"mode": "ro"}, None, False, "ro"),
        ({"mode": "ro"}, "rw", False, "ro"),
        ({"mode": "rw"}, "ro", False, "rw"),
    ],
)
def test_the_mode(rest: Rest, fields: dict[str, Any], connector_mode: str | None, two_steps: bool, mode: str) -> None:
    """The table of modes: what was asked at create wins over the connector's, which wins over read-write."""
    volume = rest.volume()
    more = {} if connector_mode is None else {"mode": connector_mode}
    if two_steps:
        made = rest.reserve(volume, **fields)
        assert made["attach_mode"] == fields.get("mode", "null")
        made = rest.connect(made["id"], **more)
    else:
        made = rest.reserve(volume, connector=connector(**more), **fields)
    assert made["attach_mode"] == show(rest, made["id"])["attach_mode"] == mode
    assert made["connection_info"]["access_mode"] == ("ro" if mode == "ro" else "rw")
    assert write_pattern(access(made), pattern=1) is (mode != "ro")


def test_a_read_only_volume_makes_every_new_attachment_read_only(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-update_readonly_flag", {"readonly": True}).status == 202
    made = rest.attach(volume, mode="rw")
    assert (made["attach_mode"], made["connection_info"]["access_mode"]) == ("ro", "ro")
    assert not write_pattern(access(made), pattern=1)
    rest.detach(made["id"])

    # Cinder takes the text "False" for a reason to be read-only; this facade does not.
    assert rest.act(volume, "os-update_readonly_flag", {"readonly": False}).status == 202
    assert rest.shown(volume)["metadata"] == {"readonly": "False"}
    assert write_pattern(access(rest.attach(volume)), pattern=1)


@pytest.mark.parametrize("given", [None, {}])
def test_null_and_an_empty_connector_only_reserve(rest: Rest, given: Any) -> None:
    assert rest.reserve(rest.volume(), connector=given)["status"] == "reserved"


def test_a_volume_id_in_capitals_is_the_same_volume(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.reserve(volume.upper())["volume_id"] == volume


def test_a_connector_is_kept_as_it_was_sent_and_never_shown(rest: Rest) -> None:
    made = rest.reserve(
        rest.volume(), connector=connector(foo="bar", nested={"a": [1, None]}, wwpns=None, **{"system uuid": "x"})
    )
    assert made["status"] == "attaching"
    assert "connector" not in show(rest, made["id"])


def test_completing_a_reservation_without_a_connector(rest: Rest) -> None:
    volume = rest.volume()
    made = rest.reserve(volume)
    rest.complete(made["id"])
    assert rest.status(volume) == "in-use"
    shown = show(rest, made["id"])
    assert (shown["status"], shown["attached_at"], shown["connection_info"]) == ("attached", "", {})
    (entry,) = rest.shown(volume)["attachments"]
    assert (entry["attachment_id"], entry["host_name"], entry["attached_at"]) == (made["id"], None, None)
    assert rest.detach(made["id"]) == []
    assert rest.status(volume) == "available"


@pytest.mark.parametrize("value", [None, {}, "", "x", {"anything": 1}, 7])
def test_complete_takes_any_value(rest: Rest, value: Any) -> None:
    made = rest.reserve(rest.volume())
    answer = rest.send("POST", f"/attachments/{made['id']}/action", {"os-complete": value})
    assert (answer.status, answer.content) == (204, b"")


# --- refusals that leave nothing behind ------------------------------------------------------------------------------


def test_a_reserved_volume_refuses_others_in_the_services_words(rest: Rest) -> None:
    volume = rest.volume()
    holder = rest.reserve(volume, SERVER)
    answer = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume, "instance_uuid": OTHER}})
    assert answer.fault == (400, "badRequest")
    assert answer.message.startswith(
        f"Invalid volume: Volume {volume} status must be available or downloading to reserve, but the current status "
        "is reserved."
    )
    assert holder["id"] in answer.message


def test_an_unknown_volume_is_not_found(rest: Rest) -> None:
    unknown = str(uuid.uuid4())
    answer = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": unknown}})
    assert (answer.fault, answer.message) == ((404, "itemNotFound"), f"Volume {unknown} could not be found.")


def test_a_create_with_an_incomplete_connector_is_rolled_back(rest: Rest) -> None:
    volume = rest.volume()
    asked = {"volume_uuid": volume, "connector": {"host": "h"}}
    answer = rest.send("POST", "/attachments", {"attachment": asked})
    assert answer.fault == (400, "badRequest")
    assert "Connector doesn't have required information: initiator" in answer.message
    assert rest.ok("GET", "/attachments", status=200) == {"attachments": []}
    assert rest.status(volume) == "available"


def test_an_update_with_an_incomplete_connector_leaves_the_reservation(rest: Rest) -> None:
    volume = rest.volume()
    made = rest.reserve(volume)
    answer = rest.send("PUT", f"/attachments/{made['id']}", {"attachment": {"connector": {"host": "h"}}})
    assert answer.fault == (400, "badRequest")
    assert "initiator" in answer.message
    assert show(rest, made["id"]) == made
    assert rest.status(volume) == "reserved"
    assert rest.connect(made["id"])["status"] == "attaching"


def test_an_update_needs_the_host(rest: Rest) -> None:
    made = rest.reserve(rest.volume())
    body = {"attachment": {"connector": {"initiator": NODE_1}}}
    answer = rest.send("PUT", f"/attachments/{made['id']}", body)
    assert answer.fault == (400, "badRequest")
    assert "'host'" in answer.message


@pytest.mark.parametrize("status", ["error", "error_extending"])
def test_a_volume_in_error_is_refused(rest: Rest, status: str) -> None:
    volume = rest.volume()
    made = rest.reserve(volume)
    assert rest.act(volume, "os-reset_status", {"status": status}).status == 202
    create = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}})
    assert create.fault == (400, "badRequest")
    assert status in create.message
    update = rest.send("PUT", f"/attachments/{made['id']}", {"attachment": {"connector": connector()}})
    assert update.fault == (409, "conflictingRequest")
    assert rest.detach(made["id"]) == []
    assert rest.status(volume) == "available"


# --- one volume, several attachments ---------------------------------------------------------------------------------


def test_live_migration_has_both_hosts_and_then_the_second(rest: Rest) -> None:
    volume = rest.volume()
    source = rest.attach(volume, NODE_1, instance_uuid=SERVER)
    rest.complete(source["id"])
    target = rest.attach(volume, NODE_2, instance_uuid=SERVER)
    with Initiator(access(source)) as old, Initiator(access(target, NODE_2)) as new:
        assert old.write(pattern=1)
        assert new.read(pattern=1)
        left = rest.detach(source["id"])
        assert [item["id"] for item in left] == [target["id"]]
        assert new.write(pattern=2)
    assert not login(access(source)).accepted
    rest.complete(target["id"])
    assert rest.status(volume) == "in-use"


def test_the_instance_may_reserve_again_and_the_status_stays(rest: Rest) -> None:
    volume = rest.volume()
    first = rest.attach(volume, instance_uuid=SERVER)
    rest.complete(first["id"])
    second = rest.reserve(volume, SERVER)
    assert rest.status(volume) == "in-use"
    answer = rest.send("PUT", f"/attachments/{second['id']}", {"attachment": {"connector": connector(NODE_2)}})
    assert answer.fault == (409, "conflictingRequest")
    assert "duplicate connectors detected" in answer.message


def test_a_new_host_fences_the_old_one(rest: Rest) -> None:
    volume = rest.volume()
    made = rest.attach(volume)
    rest.complete(made["id"])
    with Initiator(access(made)) as old:
        assert old.write(pattern=1)
        moved = rest.connect(made["id"], NODE_2)
        assert moved["status"] == "attaching"
        assert rest.status(volume) == "attaching"
        assert not login(access(made)).accepted
        assert read_pattern(access(moved, NODE_2), pattern=1)


def test_the_same_connector_again_makes_it_attaching_again(rest: Rest) -> None:
    volume = rest.volume()
    made = rest.attach(volume)
    rest.complete(made["id"])
    again = rest.connect(made["id"])
    assert (again["status"], rest.status(volume)) == ("attaching", "attaching")
    assert again["connection_info"] == made["connection_info"]


def test_a_multiattach_volume_goes_through_the_services_statuses(rest: Rest) -> None:
    volume = rest.volume(volume_type="local-multiattach")
    assert rest.shown(volume)["multiattach"] is True
    first = rest.attach(volume, NODE_1)
    busy = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}})
    assert "available or in-use or downloading" in busy.message
    rest.complete(first["id"])
    second = rest.attach(volume, NODE_2)
    assert rest.status(volume) == "attaching"
    rest.complete(second["id"])
    assert rest.status(volume) == "in-use"
    third = rest.reserve(volume)
    assert rest.status(volume) == "reserved"

    assert {item["id"] for item in rest.detach(first["id"])} == {second["id"], third["id"]}
    assert rest.status(volume) == "in-use"
    assert [item["id"] for item in rest.detach(second["id"])] == [third["id"]]
    assert rest.status(volume) == "reserved"
    assert rest.detach(third["id"]) == []
    assert rest.status(volume) == "available"
