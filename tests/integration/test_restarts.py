"""Restarts over unchanged objects: the operator writes and changes nothing, the target daemon's exports come back."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_devstack.audit import AuditLog
from fairlead_operator.drivers import tgt_process
from iscsi import Initiator, login
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node-1"
MANY = 200


@pytest.fixture
def cluster(own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    yield Cluster(admin, namespace)
    own_backend.end_operators()


def test_a_restart_over_200_attachments_writes_nothing_and_changes_nothing(
    own_backend: OwnBackend, cluster: Cluster, audit_log: AuditLog
) -> None:
    operator, _ = own_backend.start()
    own_backend.wait_ready()

    def make(number: int) -> None:
        cluster.create("Volume", f"v{number}", {"size": "1Mi", "backendName": own_backend.name})
        cluster.attach(f"a{number}", f"v{number}", f"{NODE}-{number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(MANY)))

    def exported() -> bool:
        return sum(a.get("status", {}).get("phase") == "Exported" for a in cluster.all("Attachment")) == MANY

    wait_for(exported, what=f"{MANY} Attachments are exported", timeout=120)
    operator.terminate()
    mark = audit_log.mark()
    before = len(own_backend.log())

    operator.start()
    operator.wait_ready()
    # By then every key has been through its pass: each says in the log what it decided.
    wait_for(
        lambda: len({line for line in own_backend.log()[before:].splitlines() if ": Wait(" in line}) >= 2 * MANY,
        what="every object was looked at",
        timeout=60,
    )

    log = own_backend.log()[before:]
    user = own_backend.stack.operator_user
    written = [e for e in audit_log.since(mark) if e.writes and e.user == user and e.resource != "leases"]
    assert [e for e in written if e.namespace == cluster.namespace or e.name == own_backend.name] == []
    assert "changes tgtd" in own_backend.log()[:before]
    assert "changes tgtd" not in log
    reads = [
        e for e in audit_log.since(mark) if e.user == user and e.verb == "get" and e.namespace == cluster.namespace
    ]
    assert reads == []


def test_exports_come_back_with_the_same_credentials_when_tgtd_is_killed_and_a_client_resumes(
    own_backend: OwnBackend, cluster: Cluster
) -> None:
    own_backend.start()
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("a", "data", NODE)
    exported = cluster.wait_exported("a")
    access = cluster.access(exported, NODE)
    with Initiator(access) as node:
        assert node.write(pattern=1)
        [pid] = tgt_process.find_running(own_backend.data / "run")
        os.kill(pid, signal.SIGKILL)
        # The node itself waits for its target to come back and goes on.
        assert node.write(pattern=2)

    assert login(access).accepted
    again = cluster.get("Attachment", "a")
    assert again is not None
    assert again["status"]["connectionInfo"] == exported["status"]["connectionInfo"]


def test_tgtd_and_its_exports_survive_the_operators_end(own_backend: OwnBackend, cluster: Cluster) -> None:
    operator, _ = own_backend.start()
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("a", "data", NODE)
    access = cluster.access(cluster.wait_exported("a"), NODE)
    with Initiator(access) as node:
        operator.kill()
        assert node.write(pattern=1)
        assert login(access).accepted
