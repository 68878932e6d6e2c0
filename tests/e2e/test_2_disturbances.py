"""Pods that are killed, drained and changed under a node that writes: its disk stays, and so does its target."""

from pathlib import Path

import pytest

from cluster import Cluster
from fairlead_devstack.node import Node
from installation import Installation, is_ready
from iscsi import login
from live_io import detach, writing
from rest import NODE_1, Rest
from waiting import wait_for


@pytest.mark.parametrize("grace", [None, 0], ids=["ended", "killed"])
def test_a_node_writes_on_when_the_backend_s_pod_is_replaced(
    cluster: Cluster, installation: Installation, grace: int | None
) -> None:
    with writing(cluster, "data"):
        installation.replace("backend-local", grace=grace)
        installation.wait_ready()


def test_attaching_works_while_a_facade_and_a_controller_are_gone(cluster: Cluster, installation: Installation) -> None:
    with writing(cluster, "data"):
        installation.replace("api", grace=0)
        installation.replace("controller", grace=0)
        cluster.volume("late")
        cluster.attach("late", "late", NODE_1)
        assert login(cluster.access(cluster.wait_exported("late"), NODE_1)).accepted
        detach(cluster, "late")


def test_a_node_writes_on_through_an_upgrade_and_back(cluster: Cluster, installation: Installation) -> None:
    with writing(cluster, "data"):
        # Of every pod something changes, of the backend's and the target daemon's too.
        installation.release.upgrade(
            {
                "commonLabels": {"revision": "two"},
                "operator": {"logLevel": "DEBUG"},
                "api": {"logLevel": "debug"},
                "backends": {"local": {"parameters": {"nodeTimeoutSeconds": 20}}},
            }
        )
        installation.wait_ready()
        installation.release.rollback()
        installation.wait_ready()


def test_a_node_is_drained_and_both_doors_stay_open(cluster: Cluster, installation: Installation, rest: Rest) -> None:
    """By evictions, on a node that takes no pods meanwhile: so what is evicted comes back only afterwards."""
    with writing(cluster, "data"):
        with installation.cordoned():
            one, other = installation.pods("api")
            wait_for(lambda: installation.evict(one), what="a facade may go", timeout=60)
            assert not installation.evict(other)
            (backend,) = installation.pods("backend-local")
            for pod in (backend, *installation.pods("controller")):
                assert installation.evict(pod)
            wait_for(
                lambda: [is_ready(pod) for pod in installation.pods("backend-local")] == [False],
                what="the backend's pod is gone, and the next one has no place",
                timeout=60,
            )
            assert len(rest.ok("GET", "/attachments", status=200)["attachments"]) == 1
            assert not installation.evict(other)
        installation.wait_ready()


def test_the_data_are_on_the_volume_that_was_claimed(cluster: Cluster, node: Node) -> None:
    cluster.volume("kept")
    files = [path for path in Path(node.files.storage).rglob("*") if path.is_file()]
    assert any(path.stat().st_size == 64 << 20 for path in files)
    assert {path.stat().st_gid for path in files} == {65532}
    cluster.delete("Volume", "kept")
    cluster.wait_gone("Volume", "kept")
