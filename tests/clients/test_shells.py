"""The `openstack` and `cinder` commands, unmodified."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from compute import SERVER_NAME, serving
from iscsi import Access, login, write_pattern
from rest import NODE_1, Rest
from shells import Shell
from waiting import wait_for

from .catalog import Catalog


@pytest.fixture
def catalog(rest: Rest) -> Iterator[Catalog]:
    """With the project in the URL only: each command takes seconds to start, and the libraries try both."""
    assert rest.project is not None
    with serving(Catalog(rest.endpoint, rest.project)) as served:
        yield served


@pytest.fixture
def environment(catalog: Catalog, home: Path) -> Mapping[str, str]:
    """Nothing but the catalog's address."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), **catalog.environment()}


@pytest.fixture
def openstack(environment: Mapping[str, str]) -> Shell:
    return Shell("openstack", environment)


@pytest.fixture
def cinder(environment: Mapping[str, str]) -> Shell:
    return Shell("cinder", environment)


def is_status(rest: Rest, volume_id: str, status: str) -> bool:
    return rest.status(volume_id) == status


def test_openstack_drives_a_volume_through_its_life(openstack: Shell, rest: Rest) -> None:
    created = openstack.json("volume", "create", "--size", "1", "--property", "k=v", "data")
    volume = created["id"]
    wait_for(lambda: is_status(rest, volume, "available"), what="the volume is available")
    assert [(v["ID"], v["Status"]) for v in openstack.json("volume", "list")] == [(volume, "available")]
    openstack("volume", "set", "--name", "renamed", "--property", "a=b", "--bootable", "data")
    openstack("volume", "unset", "--property", "k", "renamed")
    shown = openstack.json("volume", "show", "renamed")
    assert (shown["properties"], shown["bootable"]) == ({"a": "b"}, True)

    with_version = ("--os-volume-api-version", "3.54")
    connect = (
        *("--connect", "--initiator", NODE_1, "--host", "node-1", "--ip", "192.0.2.20"),
        *("--mountpoint", "/dev/vdb", "--mode", "rw"),
    )
    made = openstack.json(*with_version, "volume", "attachment", "create", "renamed", SERVER_NAME, *connect)
    attachment, info = made["ID"], made["Properties"]
    node = Access.of(info, NODE_1, info["auth_username"], info["auth_password"])
    assert write_pattern(node, pattern=4)
    openstack(*with_version, "volume", "attachment", "complete", attachment)
    assert openstack.json("volume", "show", volume)["status"] == "in-use"
    listed = openstack.json(*with_version, "volume", "attachment", "list")
    assert [(a["ID"], a["Status"]) for a in listed] == [(attachment, "attached")]
    assert openstack.json(*with_version, "volume", "attachment", "show", attachment)["Status"] == "attached"

    refusal = openstack("volume", "delete", volume, fails=True)
    assert "Volume status must be available" in refusal
    openstack(*with_version, "volume", "attachment", "delete", attachment)
    assert not login(node).accepted
    openstack("volume", "delete", volume)
    wait_for(lambda: rest.get(f"/volumes/{volume}").status == 404, what="the volume is gone")


def test_openstack_connects_a_reservation(openstack: Shell, rest: Rest) -> None:
    volume = rest.volume(name="data")
    with_version = ("--os-volume-api-version", "3.54")
    made = openstack.json(*with_version, "volume", "attachment", "create", "data", SERVER_NAME)
    assert made["Status"] == "reserved"
    assert made["Attached At"] == ""
    connected = openstack.json(
        *with_version, "volume", "attachment", "set", made["ID"], "--initiator", NODE_1, "--host", "node-1"
    )
    info = connected["Properties"]
    assert login(Access.of(info, NODE_1, info["auth_username"], info["auth_password"])).accepted
    assert rest.status(volume) == "attaching"


def test_openstacks_side_commands(openstack: Shell, rest: Rest) -> None:
    volume = rest.volume(name="data")
    assert {t["Name"] for t in openstack.json("volume", "type", "list")} >= {"local", "local-multiattach"}
    assert openstack.json("volume", "summary")["Total Count"] == 1
    assert openstack.json("volume", "snapshot", "list") == []
    assert openstack.json("availability", "zone", "list", "--volume")[0]["Zone Name"] == "nova"
    openstack("volume", "set", "--size", "2", "data")
    wait_for(lambda: is_status(rest, volume, "available"), what="the volume has grown")
    openstack("volume", "set", "--read-only", "data")
    assert rest.shown(volume)["size"] == 2
    openstack("volume", "set", "--state", "error", "data")
    assert rest.status(volume) == "error"
    openstack("volume", "delete", "--force", "data")


def test_cinder_drives_a_volume_through_its_life(cinder: Shell, rest: Rest) -> None:
    # The command looks names up in every project, which other tests have volumes in.
    name, renamed = f"data-{rest.project}", f"renamed-{rest.project}"
    cinder("create", "1", "--name", name, "--metadata", "k=v")
    (volume,) = (v["id"] for v in rest.ok("GET", "/volumes", status=200)["volumes"])
    wait_for(lambda: is_status(rest, volume, "available"), what="the volume is available")
    assert name in cinder("list")
    cinder("rename", name, renamed)
    cinder("metadata", renamed, "set", "a=b")
    assert renamed in cinder("show", renamed)

    version = {"OS_VOLUME_API_VERSION": "3.54"}
    out = cinder(
        *("attachment-create", renamed, "--connect", "True", "--initiator", NODE_1),
        *("--host", "node-1", "--mountpoint", "/dev/vdb", "--mode", "rw"),
        **version,
    )
    assert "target_iqn" in out
    (made,) = rest.ok("GET", "/attachments/detail", status=200)["attachments"]
    cinder("attachment-complete", made["id"], **version)
    assert made["id"] in cinder("attachment-list", **version)
    assert "attached" in cinder("attachment-show", made["id"], **version)
    assert rest.status(volume) == "in-use"
    cinder("attachment-delete", made["id"], **version)
    assert rest.status(volume) == "available"
    cinder("extend", renamed, "2")
    wait_for(lambda: is_status(rest, volume, "available"), what="the volume has grown")
    cinder("type-list")
    cinder("delete", renamed)
    wait_for(lambda: rest.get(f"/volumes/{volume}").status == 404, what="the volume is gone")
