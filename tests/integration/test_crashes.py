"""kill -9 of the operator between any two steps: what was begun is finished, nothing is left over, nothing is lost."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from cluster import Cluster, holders
from fairlead_devstack.component import Component
from faults import Faults
from iscsi import login
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node-1"

ATTACH = [
    "attach.after-adopt",
    "attach.before-ledger",
    "attach.after-ledger",
    "attach.before-export",
    "tgt.create.after-target",
    "tgt.create.after-lun",
    "tgt.create.after-account",
    "tgt.create.after-bind",
    "attach.after-export",
    "attach.after-secret",
    "attach.before-status",
    "attach.after-status",
]
DETACH = [
    "detach.before-unexport",
    "tgt.remove.after-unbind",
    "tgt.remove.after-sessions",
    "tgt.remove.after-target",
    "tgt.remove.after-account",
    "detach.after-unexport",
    "detach.before-release",
    "detach.after-release",
    "detach.before-finalize",
]


class Running:
    """The operator at work, restarted after each crash."""

    def __init__(self, backend: OwnBackend) -> None:
        self._backend = backend
        self.operator, self.faults = backend.start()
        backend.wait_ready()

    def crash_at(self, point: str) -> None:
        """Wait for the operator to die there."""
        self.faults.wait_reached(point)
        wait_for(lambda: not self.operator.alive, what=f"the operator died at {point}")

    def restart(self) -> tuple[Component, Faults]:
        self.operator.restart()
        return self.operator, self.faults


@pytest.fixture(scope="module")
def running(own_backend: OwnBackend) -> Running:
    return Running(own_backend)


@pytest.fixture
def cluster(own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    cluster = Cluster(admin, namespace)
    yield cluster
    cluster.remove_all()


@pytest.mark.parametrize("point", ATTACH)
def test_an_attach_is_finished_after_a_crash(
    running: Running, own_backend: OwnBackend, cluster: Cluster, point: str
) -> None:
    cluster.volume("data", backendName=own_backend.name)
    running.faults.set(point, "kill")
    cluster.attach("mine", "data", NODE)
    running.crash_at(point)

    running.restart()

    access = cluster.access(cluster.wait_exported("mine"), NODE)
    assert login(access).accepted
    volume = cluster.get("Volume", "data")
    assert volume is not None
    assert holders(volume) == ["mine"]
    cluster.delete("Attachment", "mine")
    cluster.wait_gone("Attachment", "mine")
    assert not login(access).accepted


@pytest.mark.parametrize("point", DETACH)
def test_a_detach_is_finished_after_a_crash(
    running: Running, own_backend: OwnBackend, cluster: Cluster, point: str
) -> None:
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("mine", "data", NODE)
    access = cluster.access(cluster.wait_exported("mine"), NODE)
    running.faults.set(point, "kill")
    cluster.delete("Attachment", "mine")
    running.crash_at(point)
    # Not reported as detached before it is: the object is there for as long as anything of it is.
    assert cluster.get("Attachment", "mine") is not None

    running.restart()

    cluster.wait_gone("Attachment", "mine")
    assert not login(access).accepted
    volume = cluster.get("Volume", "data")
    assert volume is not None
    assert holders(volume) == []
    assert volume["status"]["phase"] == "Available"


@pytest.mark.parametrize("point", ["attach.after-ledger", "attach.after-export"])
def test_an_attachment_deleted_while_the_operator_was_dead_leaves_no_export(
    running: Running, own_backend: OwnBackend, cluster: Cluster, point: str
) -> None:
    cluster.volume("data", backendName=own_backend.name)
    running.faults.set(point, "kill")
    cluster.attach("mine", "data", NODE)
    running.crash_at(point)
    cluster.delete("Attachment", "mine")

    running.restart()

    cluster.wait_gone("Attachment", "mine")
    volume = cluster.get("Volume", "data")
    assert volume is not None
    assert holders(volume) == []


@pytest.mark.parametrize("point", ["volume.before-create", "volume.after-create"])
def test_a_volume_is_made_after_a_crash(
    running: Running, own_backend: OwnBackend, cluster: Cluster, point: str
) -> None:
    running.faults.set(point, "kill")
    cluster.create("Volume", "data", {"size": "64Mi", "backendName": own_backend.name})
    running.crash_at(point)
    running.restart()
    volume = cluster.wait("Volume", "data", lambda v: v["status"]["phase"] == "Available", "available")
    assert (own_backend.data / "volumes" / f"{volume['status']['handle']}.img").stat().st_size == 64 * 2**20


@pytest.mark.parametrize("point", ["volume.before-delete", "volume.after-delete"])
def test_a_volume_is_deleted_after_a_crash(
    running: Running, own_backend: OwnBackend, cluster: Cluster, point: str
) -> None:
    volume = cluster.volume("data", backendName=own_backend.name)
    running.faults.set(point, "kill")
    cluster.delete("Volume", "data")
    running.crash_at(point)
    running.restart()
    cluster.wait_gone("Volume", "data")
    assert not (own_backend.data / "volumes" / f"{volume['status']['handle']}.img").exists()
