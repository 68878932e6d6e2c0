"""A backend that moves to another folder takes its attachments along, and its nodes go on."""

import shutil

from kubernetes import client

from cluster import Cluster
from fairlead_devstack.stack import stop_daemons
from iscsi import Initiator
from own_backend import OwnBackend

NODE = "iqn.2026-11.org.example:node"


def test_a_moved_backend_is_what_it_was(own_backend: OwnBackend, admin: client.ApiClient, cluster: Cluster) -> None:
    """As docs/operations/moving-and-sizing.md says: end, copy without `run`, say where, start."""
    own_backend.start()
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("mine", "data", NODE)
    before = cluster.wait_exported("mine")
    access = cluster.access(before, NODE)
    with Initiator(access) as node:
        assert node.write(pattern=7)
        own_backend.stop(own_backend.data)
        moved = own_backend.data.with_name("moved")
        shutil.copytree(own_backend.data, moved, ignore=shutil.ignore_patterns("run"))
        shutil.rmtree(own_backend.data)
        objects = client.CustomObjectsApi(admin)
        objects.patch_cluster_custom_object(
            "fairlead.dev",
            "v1alpha1",
            "backends",
            own_backend.name,
            {"spec": {"parameters": {"dataDir": str(moved)}}},
            _content_type="application/merge-patch+json",
        )
        try:
            own_backend.start()
            own_backend.wait_ready()
            assert node.read(pattern=7)
            assert node.write(pattern=8)
            after = cluster.wait_exported("mine")
            assert after["status"]["connectionInfo"] == before["status"]["connectionInfo"]
            assert cluster.access(after, NODE) == access
            cluster.remove_all()
        finally:
            own_backend.stop(moved)
            stop_daemons(own_backend.data)
