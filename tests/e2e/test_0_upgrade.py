"""From the version before this one to this one, back, and again, while nodes write to what was attached before."""

import itertools

import pytest
from kubernetes import client

from accounts import Account
from cluster import Cluster
from fairlead_devstack.images import default_tag, write_images
from fairlead_devstack.node import Node
from fairlead_devstack.previous import extract, previous_commit
from fairlead_devstack.release import Release
from fairlead_devstack.scratch import ScratchFolder
from installation import Installation
from iscsi import Initiator, login
from live_io import detach, writing
from rest import NODE_1, Rest, access


@pytest.fixture(scope="module")
def before(node: Node, admin: client.ApiClient, release: Release) -> tuple[Installation, str]:
    """The version before this one, ready, from its own chart and its own images; and which it is."""
    commit = previous_commit()
    if commit is None:
        pytest.skip("there is no version before this one in the history: a shallow clone, or a tree without history")
    with ScratchFolder("previous") as scratch:
        tree, archive = scratch.path / "tree", scratch.path / "images.tar"
        extract(commit, tree)
        chart = tree / "charts" / "fairlead"
        tag = default_tag(chart)
        assert tag != default_tag()
        write_images(archive, registry="docker.io", tag=tag, pause=False, checkout=tree)
        node.import_images(archive)
        release.install(chart=chart)
    installation = Installation(admin, release)
    installation.wait_ready()
    return installation, tag


def test_what_is_attached_lives_through_an_upgrade_and_back_and_again(
    admin: client.ApiClient, before: tuple[Installation, str], owner: Account, namespace: str
) -> None:
    installation, old = before
    new, release = default_tag(), installation.release
    cluster, rest = Cluster(admin, namespace), owner.rest(installation.facade_url, namespace)
    mine = rest.attach(rest.volume())
    rest.complete(mine["id"])
    patterns = itertools.count(1)
    with writing(cluster, "data") as (_, theirs), Initiator(access(mine), patience=200) as node:
        credentials = cluster.chap(theirs)
        assert node.write(pattern=next(patterns))
        assert installation.images() == {old}
        for step, version in ((release.upgrade, new), (release.rollback, old), (release.upgrade, new)):
            step()
            installation.wait_ready()
            assert installation.images() == {version}
            shown = rest.ok("GET", f"/attachments/{mine['id']}", status=200)["attachment"]
            assert shown["connection_info"] == mine["connection_info"]
            assert cluster.chap(cluster.wait_exported("data")) == credentials
            assert node.write(pattern=next(patterns))
            use_both_doors(cluster, rest)
    rest.detach(mine["id"])


def use_both_doors(cluster: Cluster, rest: Rest) -> None:
    """Attach, log in and detach, by kubectl and by REST."""
    cluster.volume("fresh")
    cluster.attach("fresh", "fresh", NODE_1)
    assert login(cluster.access(cluster.wait_exported("fresh"), NODE_1)).accepted
    detach(cluster, "fresh")
    volume = rest.volume()
    attached = rest.attach(volume)
    assert login(access(attached)).accepted
    rest.detach(attached["id"])
    rest.ok("DELETE", f"/volumes/{volume}", status=202)
