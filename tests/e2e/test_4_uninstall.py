"""The end of a release: it goes only when nothing depends on it, and leaves nothing that hangs."""

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_crds import names
from fairlead_devstack.release import HelmFailed
from installation import Installation
from iscsi import Initiator, login
from rest import NODE_1
from waiting import wait_for


def backends(admin: client.ApiClient) -> list[str]:
    found = client.CustomObjectsApi(admin).list_cluster_custom_object(names.GROUP, names.VERSION, "backends")
    return [item["metadata"]["name"] for item in found["items"]]


def test_it_refuses_while_a_node_has_a_volume(cluster: Cluster, installation: Installation) -> None:
    cluster.volume("data")
    cluster.attach("one", "data", NODE_1)
    there = cluster.access(cluster.wait_exported("one"), NODE_1)
    with Initiator(there) as node:
        with pytest.raises(HelmFailed, match="job fairlead-uninstall failed"):
            installation.release.uninstall()
        assert "there are Attachments" in installation.said("uninstall")
        assert node.write(pattern=0x11)
        # helm has it down as uninstalling now, until it is told otherwise.
        installation.release.rollback(installation.release.revision())
        assert node.write(pattern=0x12)
    assert installation.pods("backend-local")
    assert installation.pods("api")
    assert login(there).accepted


def test_it_refuses_to_take_the_kinds_from_under_volumes(cluster: Cluster, installation: Installation) -> None:
    cluster.volume("data")
    release = installation.release
    release.upgrade({"crds": {"keep": False}, "uninstall": {"policy": "Drain"}})
    with pytest.raises(HelmFailed, match="job fairlead-uninstall failed"):
        release.uninstall()
    assert "They are data and would be lost" in installation.said("uninstall")
    release.rollback(release.revision() - 1)
    cluster.delete("Volume", "data")
    cluster.wait_gone("Volume", "data")


def test_it_detaches_when_told_to_and_keeps_the_volumes(
    cluster: Cluster, installation: Installation, admin: client.ApiClient
) -> None:
    cluster.volume("precious")
    cluster.attach("one", "precious", NODE_1)
    cluster.wait_exported("one")
    installation.release.upgrade({"uninstall": {"policy": "Drain"}})
    installation.release.uninstall()
    cluster.wait_gone("Attachment", "one")
    assert cluster.get("Volume", "precious") is not None
    # They keep the Backend they are on.
    assert backends(admin) == ["local"]
    wait_for(lambda: not installation.left(), what="everything of the release is gone", timeout=60)


def test_the_next_installation_finds_them_again(
    cluster: Cluster, installation: Installation, admin: client.ApiClient
) -> None:
    installation.release.install({"uninstall": {"policy": "Drain"}})
    installation.wait_ready()
    everywhere = client.CustomObjectsApi(admin)
    for item in everywhere.list_cluster_custom_object(names.GROUP, names.VERSION, "volumes")["items"]:
        place = Cluster(admin, item["metadata"]["namespace"])
        place.attach("again", item["metadata"]["name"], NODE_1)
        assert login(place.access(place.wait_exported("again"), NODE_1)).accepted
        place.delete("Attachment", "again")
        place.wait_gone("Attachment", "again")
        place.delete("Volume", item["metadata"]["name"])
        place.wait_gone("Volume", item["metadata"]["name"])


def test_without_volumes_nothing_stays_but_the_kinds(installation: Installation, admin: client.ApiClient) -> None:
    installation.release.uninstall()
    wait_for(lambda: not installation.left(), what="everything of the release is gone", timeout=60)
    assert backends(admin) == []
    kinds = client.ApiextensionsV1Api(admin)
    ours = [item for item in kinds.list_custom_resource_definition().items if item.spec.group == names.GROUP]
    assert len(ours) == 4
    for item in ours:
        kinds.delete_custom_resource_definition(item.metadata.name)
    wait_for(
        lambda: not [i for i in kinds.list_custom_resource_definition().items if i.spec.group == names.GROUP],
        what="the kinds are gone",
        timeout=60,
    )
