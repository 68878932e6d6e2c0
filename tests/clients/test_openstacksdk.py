"""openstacksdk, unmodified: the life of a volume with its own microversion negotiation."""

from typing import Any

import openstack
import pytest
from openstack import exceptions

from compute import SERVER_ID
from iscsi import Access, login, read_pattern, write_pattern
from rest import NODE_1, NODE_2, connector

from .catalog import Catalog


@pytest.fixture
def cloud(catalog: Catalog) -> Any:
    environment = catalog.environment()
    with openstack.connect(
        load_yaml_config=False,
        load_envvars=False,
        auth={
            "auth_url": environment["OS_AUTH_URL"],
            "username": environment["OS_USERNAME"],
            "password": environment["OS_PASSWORD"],
            "project_name": environment["OS_PROJECT_NAME"],
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
        region_name="region-1",
    ) as connection:
        yield connection


def access(info: dict[str, Any], initiator: str = NODE_1) -> Access:
    return Access.of(info, initiator, info["auth_username"], info["auth_password"])


def new_volume(cloud: Any, **fields: Any) -> Any:
    volume = cloud.block_storage.create_volume(size=1, **fields)
    return cloud.block_storage.wait_for_status(volume, "available", failures=["error"], interval=0.05, wait=30)


def test_the_life_of_a_volume(cloud: Any) -> None:
    storage = cloud.block_storage
    volume = new_volume(cloud, name="data", metadata={"k": "v"})
    assert storage.find_volume("data").id == volume.id
    assert storage.find_volume("nothing") is None

    attachment = storage.create_attachment(volume, instance=SERVER_ID, connector={})
    assert (attachment.status, attachment.instance, attachment.attached_at) == ("reserved", SERVER_ID, "")
    attachment = storage.update_attachment(attachment, connector=connector())
    node = access(attachment.connection_info)
    assert write_pattern(node, pattern=7)
    storage.complete_attachment(attachment)
    assert storage.get_volume(volume).status == "in-use"
    assert storage.get_volume(volume).attachments[0]["attachment_id"] == attachment.id
    assert storage.get_attachment(attachment.id).status == "attached"

    storage.delete_attachment(attachment)
    assert not login(node).accepted
    storage.wait_for_status(volume, "available", interval=0.05, wait=30)
    storage.delete_volume(volume)
    storage.wait_for_delete(volume, interval=0.05, wait=30)


def test_one_step_attach_moves_the_data_to_another_node(cloud: Any) -> None:
    storage = cloud.block_storage
    volume = new_volume(cloud)
    first = storage.create_attachment(volume, connector=connector())
    assert write_pattern(access(first.connection_info), pattern=9)
    storage.delete_attachment(first)
    second = storage.create_attachment(volume, connector=connector(NODE_2), mode="ro")
    assert second.attach_mode == "ro"
    node = access(second.connection_info, NODE_2)
    assert read_pattern(node, pattern=9)
    assert not write_pattern(node, pattern=1)


def test_lists_are_walked_to_their_end(cloud: Any) -> None:
    storage = cloud.block_storage
    volumes = [new_volume(cloud, name=f"v{n}") for n in range(3)]
    made = [storage.create_attachment(volume, connector={}).id for volume in volumes]
    assert [v.name for v in storage.volumes(limit=2)] == ["v2", "v1", "v0"]
    assert [v.id for v in storage.volumes(details=False, limit=1)] == [v.id for v in reversed(volumes)]
    assert [a.id for a in storage.attachments(limit=2)] == made[::-1]
    assert [a.id for a in storage.attachments(volume_id=volumes[0].id)] == [made[0]]
    assert [a.id for a in storage.attachments(status="reserved")] == made[::-1]
    assert list(storage.attachments(status="attached")) == []


def test_volumes_are_changed(cloud: Any) -> None:
    storage = cloud.block_storage
    volume = new_volume(cloud)
    storage.update_volume(volume, name="n", description="d")
    storage.set_volume_metadata(volume, a="1", b="2")
    storage.delete_volume_metadata(volume, keys=["a"])
    storage.set_volume_readonly(volume, True)
    storage.set_volume_bootable_status(volume, True)
    storage.extend_volume(volume, 2)
    volume = storage.wait_for_status(storage.get_volume(volume), "available", interval=0.05, wait=30)
    assert (volume.name, volume.description, volume.size, volume.is_bootable) == ("n", "d", 2, True)
    assert volume.metadata == {"b": "2", "readonly": "True"}
    storage.reset_volume_status(volume, "error", None, None)
    assert storage.get_volume(volume).status == "error"
    storage.delete_volume(volume, force=True)


def test_the_reason_of_a_refusal_reaches_the_caller(cloud: Any) -> None:
    storage = cloud.block_storage
    volume = new_volume(cloud)
    holder = storage.create_attachment(volume, connector=connector())
    with pytest.raises(exceptions.BadRequestException, match=f"(?s)current status is attaching.*{holder.id}"):
        storage.create_attachment(volume, connector=connector(NODE_2))


def test_side_calls(cloud: Any) -> None:
    storage = cloud.block_storage
    assert "local" in [t.name for t in storage.types()]
    assert storage.find_type("local-multiattach").extra_specs == {"multiattach": "<is> True"}
    assert [zone.name for zone in storage.availability_zones()] == ["nova"]
    assert list(storage.snapshots()) == []
    assert list(storage.backups()) == []
    assert list(storage.extensions()) == []
    assert storage.get_limits().absolute.total_volumes_used == 0
    assert list(storage.resource_filters(resource="attachment"))
    assert storage.summary(False).total_count == 0
