"""Attachments by nodeName: where the connector comes from, and what becomes of them when their node is gone."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster, condition, reason
from fairlead_crds import names
from iscsi import Access, Initiator, login
from waiting import wait_for

IQN = "iqn.2026-11.org.example:worker"


class Nodes:
    """Nodes and NodeConnectors of a cluster that has no kubelet."""

    def __init__(self, api: client.ApiClient) -> None:
        self._core = client.CoreV1Api(api)
        self._objects = client.CustomObjectsApi(api)
        self.made: set[str] = set()

    def add(self, name: str) -> None:
        self._core.create_node(client.V1Node(metadata=client.V1ObjectMeta(name=name)))
        self.made.add(name)

    def connect(self, name: str, initiator: str = IQN) -> None:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "NodeConnector",
            "metadata": {"name": name},
            "spec": {"connector": {"initiator": initiator, "host": name}},
        }
        self._objects.create_cluster_custom_object(names.GROUP, names.VERSION, "nodeconnectors", body)
        self.made.add(name)

    def disconnect(self, name: str) -> None:
        self._objects.delete_cluster_custom_object(names.GROUP, names.VERSION, "nodeconnectors", name)

    def taint(self, name: str, key: str) -> None:
        body = {"spec": {"taints": [{"key": key, "effect": "NoExecute"}]}}
        self._core.patch_node(name, body)

    def delete(self, name: str) -> None:
        self._core.delete_node(name)

    def remove_all(self) -> None:
        for name in self.made:
            for remove in (self.delete, self.disconnect):
                try:
                    remove(name)
                except client.ApiException as error:
                    if error.status != 404:
                        raise


@pytest.fixture
def nodes(admin: client.ApiClient) -> Iterator[Nodes]:
    nodes = Nodes(admin)
    yield nodes
    nodes.remove_all()


@pytest.fixture
def attached(cluster: Cluster, nodes: Nodes, namespace: str) -> tuple[str, Access]:
    """A node of that name, with a volume attached to it."""
    node = f"node-{namespace}"
    nodes.add(node)
    nodes.connect(node)
    cluster.volume("data")
    cluster.attach("mine", "data", nodeName=node)
    exported = cluster.wait_exported("mine")
    assert exported["status"]["nodeUID"]
    return node, cluster.access(exported, IQN)


def test_an_attachment_waits_for_the_connector_of_its_node(cluster: Cluster, nodes: Nodes, namespace: str) -> None:
    cluster.volume("data")
    cluster.attach("mine", "data", nodeName=namespace)
    told = cluster.wait("Attachment", "mine", lambda a: condition(a, "Exported") == "False", "told")
    assert reason(told, "Exported") == ("NodeConnectorNotFound", f"there is no NodeConnector {namespace!r}")

    nodes.connect(namespace)

    assert login(cluster.access(cluster.wait_exported("mine"), IQN)).accepted


@pytest.mark.parametrize("how", ["deleted", "out of service"])
def test_a_node_that_is_gone_gives_up_its_volume_at_once(
    cluster: Cluster, nodes: Nodes, attached: tuple[str, Access], how: str
) -> None:
    node, access = attached
    cluster.attach("next", "data", "iqn.2026-11.org.example:other")
    with Initiator(access) as session:
        assert session.write(pattern=1)
        if how == "deleted":
            nodes.delete(node)
        else:
            nodes.taint(node, "node.kubernetes.io/out-of-service")
        cluster.wait_gone("Attachment", "mine")
        assert not login(access).accepted

    cluster.wait_exported("next")
    events = {e.reason: e.message for e in wait_for(lambda: _both(cluster), what="Events with the evidence")}
    assert node in events["NodeGone"]
    assert IQN in events["SessionCut"]


def _both(cluster: Cluster) -> list[Any]:
    events = cluster.events("mine")
    return events if {"NodeGone", "SessionCut"} <= {e.reason for e in events} else []


def test_a_node_that_is_merely_unreachable_keeps_what_it_has(
    cluster: Cluster, nodes: Nodes, attached: tuple[str, Access]
) -> None:
    node, access = attached
    nodes.taint(node, "node.kubernetes.io/unreachable")
    nodes.disconnect(node)
    # Something later in the same queue has been through, so these changes have been looked at.
    cluster.volume("later")

    kept = cluster.get("Attachment", "mine")
    assert kept is not None
    assert condition(kept, "Exported") == "True"
    assert login(access).accepted


def test_an_attachment_moves_to_another_node_and_stays(
    cluster: Cluster, nodes: Nodes, attached: tuple[str, Access]
) -> None:
    node, access = attached
    other = f"{node}-other"
    nodes.add(other)
    nodes.connect(other, f"{IQN}-other")
    cluster.patch("Attachment", "mine", {"spec": {"nodeName": other}})
    moved = cluster.wait("Attachment", "mine", lambda a: a["status"].get("nodeName") == other, "moved")
    assert not login(access).accepted
    assert login(cluster.access(moved, f"{IQN}-other")).accepted

    # The old node's end is nothing to it any more.
    nodes.delete(node)
    cluster.volume("later")
    assert login(cluster.access(moved, f"{IQN}-other")).accepted
