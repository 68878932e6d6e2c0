"""python-cinderclient, unmodified: the life of a volume, and the sequences that Nova performs through it."""

from typing import Any

import pytest
from cinderclient import client as cinder
from cinderclient import exceptions
from keystoneauth1 import session
from keystoneauth1.identity import v3

from compute import SERVER_ID
from iscsi import Access, Initiator, login, read_pattern, write_pattern
from rest import NODE_1, NODE_2, connector
from waiting import wait_for

from .catalog import Catalog

CREATE = "3.44"
"""The microversion that Nova asks for."""


def connect(catalog: Catalog, version: str) -> Any:
    environment = catalog.environment()
    auth = v3.Password(
        auth_url=environment["OS_AUTH_URL"],
        username=environment["OS_USERNAME"],
        password=environment["OS_PASSWORD"],
        project_name=environment["OS_PROJECT_NAME"],
        user_domain_id="default",
        project_domain_id="default",
    )
    return cinder.Client(version, session=session.Session(auth=auth))


@pytest.fixture
def client(catalog: Catalog) -> Any:
    return connect(catalog, "3.71")


def new_volume(client: Any, **fields: Any) -> Any:
    volume = client.volumes.create(1, **fields)
    return wait_status(client, volume.id, "available")


def wait_status(client: Any, volume_id: str, status: str) -> Any:
    def there() -> Any:
        found = client.volumes.get(volume_id)
        assert found.status == status, found.status
        return found

    return wait_for(there, what=f"volume {volume_id} is {status}")


def access(info: dict[str, Any], initiator: str = NODE_1) -> Access:
    return Access.of(info, initiator, info["auth_username"], info["auth_password"])


def test_the_life_of_a_volume(client: Any) -> None:
    volume = new_volume(client, name="data", metadata={"k": "v"})
    assert client.volumes.find(name="data").id == volume.id

    reserved = client.attachments.create(volume.id, None, SERVER_ID, None)
    attachment_id = reserved["id"]
    assert client.volumes.get(volume.id).status == "reserved"
    info = client.attachments.update(attachment_id, connector()).connection_info
    node = access(info)
    assert write_pattern(node, length=1 << 20, pattern=0x5A)
    client.attachments.complete(attachment_id)
    assert client.volumes.get(volume.id).attachments[0]["server_id"] == SERVER_ID
    assert [a.id for a in client.attachments.list(search_opts={"volume_id": volume.id})] == [attachment_id]
    assert client.attachments.show(attachment_id).status == "attached"

    client.attachments.delete(attachment_id)
    assert not login(node).accepted
    wait_status(client, volume.id, "available")
    client.volumes.delete(volume.id)

    def gone() -> bool:
        try:
            client.volumes.get(volume.id)
        except exceptions.NotFound:
            return True
        return False

    wait_for(gone, what="the volume is gone")


def test_volumes_are_changed(client: Any) -> None:
    volume = new_volume(client)
    client.volumes.update(volume, name="n", description="d")
    client.volumes.set_metadata(volume, {"a": "1", "b": "2"})
    client.volumes.delete_metadata(volume, ["a"])
    client.volumes.update_readonly_flag(volume, True)
    client.volumes.set_bootable(volume, True)
    client.volumes.extend(volume, 2)
    volume = wait_status(client, volume.id, "available")
    assert (volume.name, volume.description, volume.size, volume.bootable) == ("n", "d", 2, "true")
    assert volume.metadata == {"b": "2", "readonly": "True"}
    client.volumes.reset_state(volume, "error")
    assert client.volumes.get(volume.id).status == "error"
    client.volumes.force_delete(volume)


def test_lists_are_paged(client: Any) -> None:
    volumes = [new_volume(client, name=f"v{n}") for n in range(3)]
    made = [client.attachments.create(volume.id, None, mode="ro")["id"] for volume in volumes]
    assert [a.id for a in client.attachments.list(limit=2)] == made[:0:-1]
    assert [a.id for a in client.attachments.list(marker=made[1], limit=2)] == [made[0]]
    assert [a.id for a in client.attachments.list(sort="created_at:asc")] == made
    assert [v.name for v in client.volumes.list(sort="name:asc", limit=2)] == ["v0", "v1"]
    assert [v.name for v in client.volumes.list(detailed=False, search_opts={"name": "v1"})] == ["v1"]


def test_the_older_calls(client: Any) -> None:
    volume = new_volume(client)
    client.volumes.reserve(volume)
    info = client.volumes.initialize_connection(volume, connector())
    assert read_pattern(access(info["data"]), pattern=0)
    client.volumes.attach(volume, SERVER_ID, "/dev/vdb")
    assert client.volumes.get(volume.id).status == "in-use"
    client.volumes.begin_detaching(volume)
    client.volumes.terminate_connection(volume, connector())
    client.volumes.detach(volume)
    assert client.volumes.get(volume.id).status == "available"


def test_side_calls(client: Any) -> None:
    assert "local" in [t.name for t in client.volume_types.list()]
    assert client.volume_types.default().name == "local"
    assert client.availability_zones.list()[0].zoneName == "nova"
    assert client.volume_snapshots.list() == []
    assert client.backups.list() == []
    assert {limit.name for limit in client.limits.get().absolute} >= {"totalVolumesUsed"}
    assert client.quotas.get("p", usage=True).volumes["limit"] == -1
    assert client.resource_filters.list("attachment")[0].filters


# --- what Nova does --------------------------------------------------------------------------------------------------


@pytest.fixture
def nova(catalog: Catalog) -> Any:
    return connect(catalog, CREATE)


def attach_as_nova(nova: Any, volume_id: str, initiator: str = NODE_1) -> tuple[str, dict[str, Any]]:
    """Reserve on the API side; connect, mount and complete on the compute side."""
    attachment_id = nova.attachments.create(volume_id, None, SERVER_ID)["id"]
    info = nova.attachments.update(attachment_id, connector(initiator, mountpoint="/dev/vdb")).connection_info
    assert login(access(info, initiator)).accepted
    nova.attachments.complete(attachment_id)
    return attachment_id, info


def test_nova_attaches_and_detaches(nova: Any, client: Any) -> None:
    volume = new_volume(client)
    attachment_id, info = attach_as_nova(nova, volume.id)
    wait_status(nova, volume.id, "in-use")
    nova.volumes.begin_detaching(volume.id)
    assert nova.volumes.get(volume.id).status == "detaching"
    nova.attachments.delete(attachment_id)
    assert not login(access(info)).accepted
    assert nova.volumes.get(volume.id).status == "available"


def test_nova_rolls_a_detach_back(nova: Any, client: Any) -> None:
    volume = new_volume(client)
    _, info = attach_as_nova(nova, volume.id)
    nova.volumes.begin_detaching(volume.id)
    nova.volumes.roll_detaching(volume.id)
    assert nova.volumes.get(volume.id).status == "in-use"
    assert login(access(info)).accepted


def test_nova_migrates_live(nova: Any, client: Any) -> None:
    volume = new_volume(client)
    source_id, source = attach_as_nova(nova, volume.id)
    with Initiator(access(source)) as old:
        assert old.write(pattern=1)
        made = nova.attachments.create(volume.id, connector(NODE_2), SERVER_ID)
        target = nova.attachments.show(made["id"]).connection_info
        with Initiator(access(target, NODE_2)) as new:
            assert new.read(pattern=1)
            nova.attachments.complete(made["id"])
            nova.attachments.delete(source_id)
            assert new.write(pattern=2)
    assert not login(access(source)).accepted
    volume = nova.volumes.get(volume.id)
    assert [a["attachment_id"] for a in volume.attachments] == [made["id"]]


def test_nova_takes_a_failed_migration_back(nova: Any, client: Any) -> None:
    volume = new_volume(client)
    source_id, source = attach_as_nova(nova, volume.id)
    made = nova.attachments.create(volume.id, connector(NODE_2), SERVER_ID)
    nova.attachments.delete(made["id"])
    assert login(access(source)).accepted
    assert nova.volumes.get(volume.id).status == "in-use"
    assert [a.id for a in nova.attachments.list(search_opts={"volume_id": volume.id, "instance_id": SERVER_ID})] == [
        source_id
    ]


def test_nova_swaps_volumes(nova: Any, client: Any) -> None:
    old, new = new_volume(client), new_volume(client)
    old_id, _ = attach_as_nova(nova, old.id)
    nova.volumes.begin_detaching(old.id)
    new_id, info = attach_as_nova(nova, new.id)
    nova.attachments.delete(old_id)
    saved = nova.volumes.migrate_volume_completion(old.id, new.id, False)
    assert saved["save_volume_id"] == new.id
    assert login(access(info)).accepted
    assert (nova.volumes.get(old.id).status, nova.volumes.get(new.id).status) == ("available", "in-use")
    assert nova.attachments.show(new_id).status == "attached"


def test_nova_cleans_up_after_a_failed_attach(nova: Any, client: Any) -> None:
    volume = new_volume(client)
    attachment_id = nova.attachments.create(volume.id, None, SERVER_ID)["id"]
    with pytest.raises(exceptions.BadRequest, match="initiator"):
        nova.attachments.update(attachment_id, {"host": "node-1"})
    nova.attachments.delete(attachment_id)
    with pytest.raises(exceptions.NotFound):
        nova.attachments.delete(attachment_id)
    assert nova.volumes.get(volume.id).status == "available"


def test_nova_resizes(nova: Any, client: Any) -> None:
    """A second reservation keeps the volume while the first attachment goes and comes back elsewhere."""
    volume = new_volume(client)
    first_id, _ = attach_as_nova(nova, volume.id)
    second_id = nova.attachments.create(volume.id, None, SERVER_ID)["id"]
    nova.attachments.delete(first_id)
    assert nova.volumes.get(volume.id).status == "reserved"
    info = nova.attachments.update(second_id, connector(NODE_2)).connection_info
    nova.attachments.complete(second_id)
    assert login(access(info, NODE_2)).accepted
    assert nova.volumes.get(volume.id).status == "in-use"
