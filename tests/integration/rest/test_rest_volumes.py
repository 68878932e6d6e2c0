"""The volumes API on real parts: create, change, delete, metadata, types."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iscsi import disk_size
from rest import NODE_1, Rest, access
from waiting import wait_for

GIB = 2**30

# What python-cinderclient and the SDK send: every field, most of them null.
NULLS = {
    "consistencygroup_id": None,
    "snapshot_id": None,
    "name": None,
    "description": None,
    "volume_type": None,
    "availability_zone": None,
    "metadata": {},
    "imageRef": None,
    "source_volid": None,
    "backup_id": None,
}


def test_a_volume_is_answered_at_once_and_becomes_available(rest: Rest) -> None:
    created = rest.ok("POST", "/volumes", {"volume": {"size": 1, "name": " v "}}, status=202)["volume"]
    assert (created["status"], created["size"], created["name"]) == ("creating", 1, "v")
    assert "os-vol-tenant-attr:tenant_id" not in created
    rest.wait_status(created["id"], "available")
    shown = rest.shown(created["id"])
    assert shown["os-vol-tenant-attr:tenant_id"] == rest.project
    assert shown["links"][0]["href"] == f"{rest.endpoint}/volumes/{created['id']}"
    assert {key: shown[key] for key in ("volume_type", "bootable", "multiattach", "metadata", "user_id")} == {
        "volume_type": "local",
        "bootable": "false",
        "multiattach": False,
        "metadata": {},
        "user_id": "admin",
    }
    assert shown["created_at"] == created["created_at"]
    assert len(shown["created_at"]) == len("2026-11-24T02:03:50.754730")


def test_a_body_full_of_nulls_is_welcome(rest: Rest) -> None:
    body = {"volume": {"size": 1, **NULLS}, "OS-SCH-HNT:scheduler_hints": None}
    rest.ok("POST", "/volumes", body, status=202)


def test_the_projects_namespace_is_made_when_it_is_missing(rest: Rest) -> None:
    fresh = Rest(rest.url, f"{rest.project}-new")
    volume = fresh.volume()
    assert fresh.shown(volume)["os-vol-tenant-attr:tenant_id"] == fresh.project
    fresh.ok("DELETE", f"/volumes/{volume}", status=202)


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({}, 400, "size"),
        ({"size": 0}, 400, "size"),
        ({"size": "x"}, 400, "size"),
        ({"size": 1, "volume_type": "nope"}, 404, "Volume type nope could not be found."),
        ({"size": 1, "availability_zone": "mars"}, 400, "Availability zone 'mars' is invalid."),
        ({"size": 1, "multiattach": True}, 400, "multiattach"),
        ({"size": 1, "snapshot_id": "11111111-2222-4333-8444-555555555555"}, 404, "Snapshot"),
        ({"size": 1, "backup_id": "11111111-2222-4333-8444-555555555555"}, 404, "Backup"),
        ({"size": 1, "source_volid": "11111111-2222-4333-8444-555555555555"}, 400, "from other volumes"),
        ({"size": 1, "imageRef": "cirros"}, 400, "image"),
        ({"size": 1, "metadata": {"k": 1}}, 400, "k"),
        ({"size": 1, "name": "x" * 256}, 400, "name"),
        ({"size": 1, "colour": "red"}, 400, "colour"),
    ],
)
def test_a_volume_that_cannot_be_made_is_refused(rest: Rest, fields: dict[str, Any], status: int, words: str) -> None:
    answer = rest.send("POST", "/volumes", {"volume": fields})
    assert answer.fault == (status, "badRequest" if status == 400 else "itemNotFound")
    assert words in answer.message
    assert rest.ok("GET", "/volumes", status=200) == {"volumes": []}


def test_an_unknown_key_is_ignored_below_353(rest: Rest) -> None:
    rest.ok("POST", "/volumes", {"volume": {"size": 1, "colour": "red"}}, status=202, version="3.52")


def test_a_volume_is_renamed_and_its_metadata_replaced(rest: Rest) -> None:
    volume = rest.volume(name="old", description="d", metadata={"a": "1"})
    change = {"name": "new", "description": None, "metadata": {"b": "2"}}
    changed = rest.ok("PUT", f"/volumes/{volume}", {"volume": change}, status=200)["volume"]
    assert (changed["name"], changed["description"], changed["metadata"]) == ("new", None, {"b": "2"})
    assert rest.shown(volume)["name"] == "new"


@pytest.mark.parametrize(
    ("version", "body", "status"),
    [
        ("3.53", {"volume": {}}, 400),
        ("3.52", {"volume": {}}, 200),
        ("3.0", {"volume": {"size": 2}}, 400),
        ("3.71", {}, 400),
        ("3.71", {"volume": {"name": 1}}, 400),
    ],
)
def test_a_change_names_known_fields(rest: Rest, version: str, body: Any, status: int) -> None:
    assert rest.send("PUT", f"/volumes/{rest.volume()}", body, version=version).status == status


def test_metadata_are_merged_replaced_and_removed_by_key(rest: Rest) -> None:
    path = f"/volumes/{rest.volume(metadata={'a': '1'})}/metadata"
    assert rest.ok("POST", path, {"metadata": {"b": "2"}}, status=200) == {"metadata": {"b": "2"}}
    assert rest.ok("GET", path, status=200) == {"metadata": {"a": "1", "b": "2"}}
    assert rest.ok("PUT", f"{path}/a", {"meta": {"a": "3"}}, status=200) == {"meta": {"a": "3"}}
    assert rest.ok("GET", f"{path}/a", status=200) == {"meta": {"a": "3"}}
    assert rest.send("DELETE", f"{path}/a").status == 200
    assert rest.send("DELETE", f"{path}/a").fault == (404, "itemNotFound")
    assert rest.ok("PUT", path, {"metadata": {"c": "4"}}, status=200) == {"metadata": {"c": "4"}}
    assert rest.ok("GET", path, status=200) == {"metadata": {"c": "4"}}
    assert rest.send("PUT", f"{path}/x", {"meta": {"y": "1"}}).fault == (400, "badRequest")


def test_changes_at_the_same_time_are_all_kept(rest: Rest) -> None:
    """Whoever loses a race reads the volume anew and tries again."""
    path = f"/volumes/{rest.volume()}/metadata"
    wanted = {f"k{number}": "v" for number in range(6)}
    with ThreadPoolExecutor(len(wanted)) as pool:
        list(pool.map(lambda key: rest.ok("POST", path, {"metadata": {key: "v"}}, status=200), wanted))
    assert rest.ok("GET", path, status=200) == {"metadata": wanted}


def test_metadata_have_an_etag_from_315_on(rest: Rest) -> None:
    path = f"/volumes/{rest.volume()}/metadata"
    assert "etag" in rest.get(path, version="3.15").headers
    assert "etag" not in rest.get(path, version="3.14").headers


def test_a_deleted_volume_shows_deleting_and_then_nothing(rest: Rest) -> None:
    volume = rest.volume()
    answer = rest.send("DELETE", f"/volumes/{volume}?cascade=False")
    assert (answer.status, answer.content) == (202, b"")
    after = rest.get(f"/volumes/{volume}")
    assert after.status == 404 or after.body["volume"]["status"] == "deleting"
    wait_for(lambda: rest.get(f"/volumes/{volume}").status == 404, what="the volume is gone")
    assert rest.send("DELETE", f"/volumes/{volume}").fault == (404, "itemNotFound")


def test_a_volume_in_use_is_not_deleted(rest: Rest) -> None:
    volume = rest.volume()
    made = rest.attach(volume)
    assert rest.send("DELETE", f"/volumes/{volume}").fault == (400, "badRequest")
    rest.complete(made["id"])
    for path in ("", "?force=true"):
        assert rest.send("DELETE", f"/volumes/{volume}{path}").fault == (400, "badRequest")
    assert rest.act(volume, "os-force_delete", {}).fault == (400, "badRequest")
    assert rest.status(volume) == "in-use"


def test_force_deletes_a_reserved_volume_and_its_reservation(rest: Rest) -> None:
    volume = rest.volume()
    rest.reserve(volume)
    assert rest.send("DELETE", f"/volumes/{volume}").status == 400
    assert rest.send("DELETE", f"/volumes/{volume}?force=true", version="3.22").status == 400
    assert rest.send("DELETE", f"/volumes/{volume}?force=true").status == 202
    wait_for(lambda: rest.get(f"/volumes/{volume}").status == 404, what="the volume is gone")
    assert rest.ok("GET", "/attachments", status=200) == {"attachments": []}


def test_a_volume_grows_and_the_node_sees_it(rest: Rest) -> None:
    volume = rest.volume()
    assert rest.act(volume, "os-extend", {"new_size": 1}).fault == (400, "badRequest")
    assert rest.act(volume, "os-extend", {"new_size": 2}).status == 202
    rest.wait_status(volume, "available")
    assert rest.shown(volume)["size"] == 2
    assert disk_size(access(rest.attach(volume))) == 2 * GIB


def test_types_follow_from_the_backends(anywhere: Rest, rest: Rest) -> None:
    types = {item["name"]: item for item in rest.ok("GET", "/types?is_public=None", status=200)["volume_types"]}
    plain, multi = types["local"], types["local-multiattach"]
    assert (plain["extra_specs"], multi["extra_specs"]) == ({}, {"multiattach": "<is> True"})
    assert rest.ok("GET", "/types/default", status=200)["volume_type"] == plain
    for key in (multi["id"], "local-multiattach"):
        assert anywhere.ok("GET", f"/types/{key}", status=200)["volume_type"] == multi
    assert rest.get("/types/nope").message == "Volume type nope could not be found."
    volume = rest.volume(volume_type=multi["id"])
    shown = rest.shown(volume)
    assert (shown["volume_type"], shown["volume_type_id"], shown["multiattach"]) == (multi["name"], multi["id"], True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/snapshots/detail", {"snapshots": []}),
        ("/backups/detail", {"backups": []}),
        ("/messages", {"messages": []}),
        ("/groups/detail", {"groups": []}),
        ("/extensions", {"extensions": []}),
        ("/os-availability-zone", {"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": True}}]}),
        (
            "/resource_filters?resource=attachment",
            {
                "resource_filters": [
                    {"resource": "attachment", "filters": ["volume_id", "status", "instance_id", "attach_status"]}
                ]
            },
        ),
    ],
)
def test_side_collections_answer(rest: Rest, path: str, body: Any) -> None:
    assert rest.ok("GET", path, status=200) == body


def test_usage_is_summed_up(rest: Rest) -> None:
    rest.volume(size=2, metadata={"k": "v"})
    rest.volume(metadata={"k": "w"})
    summary = rest.ok("GET", "/volumes/summary", status=200)["volume-summary"]
    assert (summary["total_count"], summary["total_size"]) == (2, 3)
    assert sorted(summary["metadata"]["k"]) == ["v", "w"]
    assert "metadata" not in rest.ok("GET", "/volumes/summary", status=200, version="3.12")["volume-summary"]
    assert rest.get("/volumes/summary", version="3.11").status == 404
    absolute = rest.ok("GET", "/limits", status=200)["limits"]["absolute"]
    assert (absolute["totalVolumesUsed"], absolute["totalGigabytesUsed"]) == (2, 3)
    usage = rest.ok("GET", f"/os-quota-sets/{rest.project}?usage=True", status=200)["quota_set"]
    assert usage["volumes"] == {"limit": -1, "in_use": 2, "reserved": 0}


def test_an_administrator_may_attach_another_projects_volume(rest: Rest) -> None:
    volume = rest.volume()
    made = Rest(rest.url, "another").attach(volume, NODE_1)
    assert rest.ok("GET", f"/attachments/{made['id']}", status=200)["attachment"] == made
    assert [item["id"] for item in rest.ok("GET", "/attachments", status=200)["attachments"]] == [made["id"]]
