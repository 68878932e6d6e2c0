"""What a cluster's user does with an installed release, through both doors, with real I/O through its Services.

The files of this folder are numbered, because they live through one release together: the one before comes to it from
the version before, this one uses it, the next hurts and changes it, the last ones look at what was asked of the API
server and uninstall it.
"""

from cluster import Cluster, condition
from installation import Installation
from iscsi import Initiator, login
from rest import NODE_1, NODE_2, Rest, access


def test_a_volume_is_attached_by_kubectl(cluster: Cluster, installation: Installation) -> None:
    cluster.volume("data")
    cluster.attach("one", "data", NODE_1)
    attachment = cluster.wait_exported("one")
    there = cluster.access(attachment, NODE_1)
    assert there.portal == installation.portal
    with Initiator(there) as node:
        assert node.write(length=1 << 20, pattern=0x5A)
        assert node.read(length=1 << 20, pattern=0x5A)
        assert login(cluster.access(attachment, NODE_2)).status == 515
    cluster.delete("Attachment", "one")
    cluster.wait_gone("Attachment", "one")
    assert not login(there).accepted
    cluster.delete("Volume", "data")
    cluster.wait_gone("Volume", "data")


def test_a_volume_is_attached_by_rest(rest: Rest) -> None:
    volume = rest.volume()
    rest.ok("PUT", f"/volumes/{volume}", {"volume": {"name": "renamed"}}, status=200)
    reserved = rest.reserve(volume)
    connected = rest.connect(reserved["id"])
    with Initiator(access(connected)) as node:
        assert node.write(length=1 << 20, pattern=0x3C)
        rest.complete(reserved["id"])
        assert rest.status(volume) == "in-use"
        assert node.read(length=1 << 20, pattern=0x3C)
    assert rest.detach(reserved["id"]) == []
    assert not login(access(connected)).accepted
    again = rest.attach(volume, NODE_2)
    with Initiator(access(again, NODE_2)) as other:
        assert other.read(length=1 << 20, pattern=0x3C)
    rest.detach(again["id"])
    rest.ok("DELETE", f"/volumes/{volume}", status=202)


def test_both_doors_show_the_same(cluster: Cluster, rest: Rest) -> None:
    cluster.volume("shared")
    cluster.attach("one", "shared", NODE_1)
    attachment = cluster.wait_exported("one")
    (shown,) = rest.ok("GET", "/attachments/detail", status=200)["attachments"]
    assert shown["id"] == attachment["metadata"]["labels"]["fairlead.dev/id"]
    rest.detach(shown["id"])
    cluster.wait_gone("Attachment", "one")
    assert condition(cluster.wait("Volume", "shared", lambda v: v["status"]["phase"] == "Available", "free"), "Ready")
    cluster.delete("Volume", "shared")
    cluster.wait_gone("Volume", "shared")


def test_helm_test_passes(installation: Installation) -> None:
    assert "Phase:          Succeeded" in installation.release.test()


def test_nothing_ended_by_itself(installation: Installation) -> None:
    assert installation.restarts() == {}
