"""An Attachment can be detached when everything around it is gone: what that needs is in its own status."""

from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_crds import names
from iscsi import Access, login
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"
WITHOUT_FINALIZERS = {"metadata": {"finalizers": []}}
MERGE = "application/merge-patch+json"


@pytest.fixture
def cluster(own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    own_backend.start()
    own_backend.wait_ready()
    yield Cluster(admin, namespace)
    own_backend.end_operators()


@pytest.fixture
def access(own_backend: OwnBackend, cluster: Cluster) -> Access:
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("mine", "data", NODE)
    return cluster.access(cluster.wait_exported("mine"), NODE)


def test_without_its_secret(cluster: Cluster, access: Access, admin: client.ApiClient) -> None:
    secret = (cluster.get("Attachment", "mine") or {})["status"]["secretRef"]["name"]
    client.CoreV1Api(admin).delete_namespaced_secret(secret, cluster.namespace)
    detach(cluster, access)


def test_without_its_volume(cluster: Cluster, access: Access) -> None:
    cluster.delete("Volume", "data")
    cluster.patch("Volume", "data", WITHOUT_FINALIZERS)
    cluster.wait_gone("Volume", "data")
    detach(cluster, access)


def test_without_its_volume_whose_name_another_one_has_by_now(
    own_backend: OwnBackend, cluster: Cluster, access: Access
) -> None:
    cluster.delete("Volume", "data")
    cluster.patch("Volume", "data", WITHOUT_FINALIZERS)
    cluster.wait_gone("Volume", "data")
    cluster.volume("data", backendName=own_backend.name)
    # It held the first one; of the second it is nobody, and its export is taken away.
    ended = cluster.wait("Attachment", "mine", lambda a: a["status"]["phase"] == "Rejected", "ended")
    assert ended["status"]["volumeUID"]
    wait_for(lambda: not login(access).accepted, what="cut off")
    detach(cluster, access)


def test_without_its_backend(
    own_backend: OwnBackend, cluster: Cluster, access: Access, admin: client.ApiClient
) -> None:
    objects: Any = client.CustomObjectsApi(admin)
    place = (names.GROUP, names.VERSION, "backends", own_backend.name)
    objects.delete_cluster_custom_object(*place)
    objects.patch_cluster_custom_object(*place, WITHOUT_FINALIZERS, _content_type=MERGE)
    try:
        detach(cluster, access)
        cluster.delete("Volume", "data")
        cluster.wait_gone("Volume", "data")
    finally:
        own_backend.stack.add_backend(own_backend.name)


def detach(cluster: Cluster, access: Access) -> None:
    cluster.delete("Attachment", "mine")
    cluster.wait_gone("Attachment", "mine")
    assert not login(access).accepted
