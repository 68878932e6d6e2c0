"""Actions on a volume: Nova's, the administrator's, and the older attach flow."""

from typing import Any

import pytest

from iscsi import Access, login, write_pattern
from rest import NODE_1, NODE_2, Rest, connector

SERVER = "a7816a4b-fe9d-4767-99eb-38bb87113407"


def test_detaching_is_begun_taken_back_and_ended_by_the_delete(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-begin_detaching").fault == (400, "badRequest")
    made = rest.attach(volume, instance_uuid=SERVER)
    assert rest.act(volume, "os-begin_detaching").fault == (400, "badRequest")
    rest.complete(made["id"])

    assert rest.act(volume, "os-begin_detaching").status == 202
    assert rest.status(volume) == "detaching"
    assert rest.act(volume, "os-begin_detaching").fault == (400, "badRequest")
    assert rest.act(volume, "os-roll_detaching").status == 202
    assert rest.status(volume) == "in-use"
    assert rest.act(volume, "os-roll_detaching").status == 202

    assert rest.act(volume, "os-begin_detaching").status == 202
    rest.detach(made["id"])
    assert rest.status(volume) == "available"


def test_a_reservation_of_the_older_kind_shows_attaching(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-unreserve").status == 202
    assert rest.act(volume, "os-reserve").status == 202
    assert rest.status(volume) == "attaching"
    assert rest.act(volume, "os-reserve").fault == (400, "badRequest")
    assert rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}}).status == 400
    assert rest.act(volume, "os-unreserve").status == 202
    assert rest.status(volume) == "available"


@pytest.mark.parametrize("status", ["error", "maintenance", "available", "error_deleting"])
def test_a_status_is_set_and_the_gate_goes_by_it(rest: Rest, status: str) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-reset_status", {"status": status}).status == 202
    assert rest.status(volume) == status
    create = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}})
    assert create.status == (202 if status == "available" else 400)


@pytest.mark.parametrize("value", [{"status": "in-use"}, {"status": "nonsense"}, {"status": 1}, None, "error"])
def test_a_status_that_cannot_be_is_refused(rest: Rest, value: Any) -> None:
    assert rest.act(rest.volume(), "os-reset_status", value).fault == (400, "badRequest")


def test_a_reset_cannot_give_a_volume_away_that_a_node_has(rest: Rest) -> None:
    volume = rest.volume()
    made = rest.attach(volume)
    rest.complete(made["id"])
    assert rest.act(volume, "os-reset_status", {"status": "available"}).status == 202
    assert rest.status(volume) == "available"
    # The gate is open, the operator's ledger is not.
    answer = rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume, "connector": connector(NODE_2)}})
    assert answer.fault == (400, "badRequest")
    assert made["id"] in answer.message
    listed = rest.ok("GET", f"/attachments?volume_id={volume}", status=200)["attachments"]
    assert [item["id"] for item in listed] == [made["id"]]


def test_bootable_is_shown(rest: Rest) -> None:
    volume = rest.volume()
    answer = rest.act(volume, "os-set_bootable", {"bootable": True})
    assert (answer.status, answer.content) == (200, b"")
    assert rest.shown(volume)["bootable"] == "true"


def test_a_type_is_kept(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-retype", {"new_type": "local", "migration_policy": "never"}).status == 202
    assert rest.act(volume, "os-retype", {"new_type": "local-multiattach"}).fault == (400, "badRequest")
    assert rest.act(volume, "os-retype", {"new_type": "nope"}).fault == (404, "itemNotFound")


def test_completions_of_nova_are_answered(rest: Rest) -> None:
    old, new = rest.volume(), rest.volume()
    done = rest.act(old, "os-migrate_volume_completion", {"new_volume": new, "error": False})
    assert (done.status, done.body) == (200, {"save_volume_id": new})
    assert rest.act(new, "os-extend_volume_completion", {"error": False}).status == 202


def nested(info: dict[str, Any], initiator: str = NODE_1) -> Access:
    data = info["data"]
    return Access.of(data, initiator, data["auth_username"], data["auth_password"])


def test_the_older_flow_connects_attaches_and_goes_back(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-reserve").status == 202
    answer = rest.act(volume, "os-initialize_connection", {"connector": connector()})
    assert answer.status == 200
    info = answer.body["connection_info"]
    assert sorted(info) == ["data", "driver_volume_type"]
    assert write_pattern(nested(info), pattern=3)
    again = rest.act(volume, "os-initialize_connection", {"connector": connector()})
    assert again.body == answer.body

    attach = {"instance_uuid": SERVER, "mountpoint": "/dev/vdc", "mode": "rw"}
    assert rest.act(volume, "os-attach", attach).status == 202
    shown = rest.shown(volume)
    assert shown["status"] == "in-use"
    assert [(a["server_id"], a["device"]) for a in shown["attachments"]] == [(SERVER, "/dev/vdc")]

    assert rest.act(volume, "os-begin_detaching").status == 202
    assert rest.act(volume, "os-terminate_connection", {"connector": connector()}).status == 202
    assert not login(nested(info)).accepted
    assert rest.act(volume, "os-detach", {"attachment_id": None}).status == 202
    assert rest.status(volume) == "available"


def test_the_older_attach_alone_makes_the_volume_in_use(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-attach", {"mountpoint": "/mnt"}).fault == (400, "badRequest")
    assert rest.act(volume, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/mnt"}).status == 202
    assert rest.status(volume) == "in-use"
    assert rest.act(volume, "os-attach", {"instance_uuid": SERVER, "mountpoint": "/mnt"}).fault == (400, "badRequest")
    assert rest.act(volume, "os-detach", {}).status == 202
    assert rest.status(volume) == "available"


def test_terminating_without_attaching_frees_the_volume(rest: Rest) -> None:
    volume = rest.volume()
    rest.act(volume, "os-initialize_connection", {"connector": connector()})
    assert rest.act(volume, "os-terminate_connection", {"connector": connector(NODE_2)}).status == 202
    assert rest.status(volume) == "attaching"
    assert rest.act(volume, "os-terminate_connection", {"connector": connector()}).status == 202
    assert rest.status(volume) == "available"
