"""Unmodified clients find the facade in a real Keystone's catalog, log in there, and do their work."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import openstack
import pytest
from cinderclient import client as cinder
from keystoneauth1 import session
from keystoneauth1.identity import v3

from accounts import People
from compute import SERVER_ID, SERVER_NAME, Compute, serving
from facades import RunningFacade
from fairlead_devstack.keystone import Keystone, User
from iscsi import Access, Initiator, login
from rest import NODE_1
from shells import Shell
from waiting import wait_for


@pytest.fixture
def clouds(keystone: Keystone, keystone_door: RunningFacade, tmp_path: Path) -> Path:
    return keystone.write_clouds(tmp_path / "clouds.yaml")


@pytest.fixture(scope="module")
def compute(keystone: Keystone) -> Iterator[Compute]:
    """A compute service in the catalog: `attachment create` looks the server up there."""
    with serving(Compute()) as served:
        keystone.set_service("compute", "nova", served.endpoint)
        yield served


@pytest.fixture
def osc(clouds: Path, compute: Compute) -> Shell:
    """The `openstack` command, as alice."""
    environment = {"OS_CLIENT_CONFIG_FILE": str(clouds), "PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "ignore"}
    return Shell("openstack", environment, "--os-cloud", "alice-demo", "--os-volume-api-version", "3.70")


def test_the_openstack_command_reserves_connects_and_gives_back(osc: Shell, people: People) -> None:
    alice = people("alice")
    volume = osc.json("volume", "create", "--size", "1", "by-osc")["id"]
    alice.wait_status(volume, "available")
    made = osc.json("volume", "attachment", "create", volume, SERVER_NAME)
    assert (made["Status"], made["Instance ID"]) == ("reserved", SERVER_ID)
    assert made["ID"] in [item["ID"] for item in osc.json("volume", "attachment", "list")]
    osc("volume", "attachment", "delete", made["ID"])
    assert alice.status(volume) == "available"
    assert alice.get(f"/attachments/{made['ID']}").status == 404


def test_the_openstack_command_completes_and_detaches_when_the_node_has_logged_out(osc: Shell, people: People) -> None:
    alice = people("alice")
    volume = alice.volume(name="by-osc")
    connect = ("--connect", "--initiator", NODE_1, "--host", "node-1", "--mountpoint", "/dev/vdb")
    made = osc.json("volume", "attachment", "create", volume, SERVER_NAME, *connect)
    attachment, info = made["ID"], made["Properties"]
    node = Access.of(info, NODE_1, info["auth_username"], info["auth_password"])
    with Initiator(node) as session:
        assert session.write(pattern=4)
        osc("volume", "attachment", "complete", attachment)
        assert osc.json("volume", "attachment", "show", attachment)["Status"] == "attached"
        assert alice.status(volume) == "in-use"
        refusal = osc("volume", "attachment", "delete", attachment, fails=True)
        assert f"Detach volume from instance {SERVER_ID} using the Compute API" in refusal
        assert session.write(pattern=5)
    osc("volume", "attachment", "delete", attachment)
    assert not login(node).accepted
    osc("volume", "delete", volume)
    wait_for(lambda: alice.get(f"/volumes/{volume}").status == 404, what="the volume is gone")


def test_the_sdk_logs_in(clouds: Path, keystone: Keystone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OS_CLIENT_CONFIG_FILE", str(clouds))
    cloud = openstack.connection.from_config(
        cloud="alice-demo", config_files=[str(clouds)], block_storage_default_microversion="3.70"
    )
    with cloud:
        volume = cloud.block_storage.create_volume(size=1, name="by-sdk")
        cloud.block_storage.wait_for_status(volume, status="available", interval=0.1, wait=30)
        assert cloud.current_project_id == keystone.projects["demo"]
        assert volume.id in [item.id for item in cloud.block_storage.volumes()]


def test_cinderclient_logs_in(keystone: Keystone, keystone_door: RunningFacade) -> None:
    auth = v3.Password(
        auth_url=keystone.url,
        username="alice",
        password=User("alice", "", "").password,
        project_name="demo",
        user_domain_id="default",
        project_domain_id="default",
    )
    connected = cinder.Client("3.70", session=session.Session(auth=auth))
    made = connected.volumes.create(1, name="by-cinderclient")
    wait_for(lambda: connected.volumes.get(made.id).status == "available", what="the volume is available")
    attachment = connected.attachments.create(made.id, None, str(uuid.uuid4()))
    assert attachment["status"] == "reserved"
