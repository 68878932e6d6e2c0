"""A Backend's key is changed under live attachments: nobody is cut off, and the old key ends with its last user."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_crds import names
from iscsi import Initiator, login
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"


@pytest.fixture
def cluster(own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    own_backend.start()
    own_backend.wait_ready()
    cluster = Cluster(admin, namespace)
    yield cluster
    cluster.remove_all()
    own_backend.end_operators()


def test_a_rotation_disturbs_nobody_and_the_old_key_ends_with_its_last_user(
    own_backend: OwnBackend, cluster: Cluster, admin: client.ApiClient, kubeconfig: Path
) -> None:
    def run(*options: str) -> str:
        command = [sys.executable, "-m", "fairlead_operator.rotation", own_backend.name, *options]
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()

    def backend() -> Any:
        objects = client.CustomObjectsApi(admin)
        return objects.get_cluster_custom_object(names.GROUP, names.VERSION, "backends", own_backend.name)

    for volume in ("one", "two"):
        cluster.volume(volume, backendName=own_backend.name)
    cluster.attach("old", "one", NODE)
    exported = cluster.wait_exported("old")
    first, access = exported["status"]["keyID"], cluster.access(exported, NODE)
    with Initiator(access) as node:
        assert node.write(pattern=1)
        second = run().removeprefix("new key: ")
        assert second != first
        wait_for(lambda: backend()["status"]["keyID"] == second, what="the operator has seen the new key", timeout=30)

        cluster.attach("new", "two", f"{NODE}-2")
        fresh = cluster.wait_exported("new")
        assert fresh["status"]["keyID"] == second
        assert login(cluster.access(fresh, f"{NODE}-2")).accepted
        assert node.write(pattern=2)
        assert login(access).accepted
        assert run("--prune") == "every key is in use"

    # Attached anew, under the current key: the old password opens nothing any more.
    cluster.patch("Attachment", "old", {"spec": {"connector": None}})
    cluster.wait("Attachment", "old", lambda a: a["status"]["phase"] == "Reserved", "reserved")
    cluster.patch("Attachment", "old", {"spec": {"connector": {"initiator": NODE}}})
    again = cluster.wait("Attachment", "old", lambda a: a["status"]["keyID"] == second, "exported under the new key")
    assert not login(access).accepted
    assert login(cluster.access(again, NODE)).accepted
    assert run("--prune") == f"dropped: {first}"
