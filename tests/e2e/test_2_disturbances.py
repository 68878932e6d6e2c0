"""Pods that are killed, drained and upgraded under a node that writes: its disk stays, and so does its target."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster import Cluster, Object
from fairlead_devstack.node import Node
from installation import Installation
from iscsi import Initiator, login
from rest import NODE_1
from waiting import wait_for


class Writer:
    """A node that writes and reads back without a pause. `failed` has the first write that was not confirmed."""

    def __init__(self, node: Initiator) -> None:
        self._node = node
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.writes = 0
        self.failed: int | None = None
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            pattern = 1 + self.writes % 250
            where = (self.writes % 64) * 4096
            if not (self._node.write(offset=where, pattern=pattern) and self._node.read(offset=where, pattern=pattern)):
                self.failed = self.writes
                return
            self.writes += 1


@contextmanager
def writing(cluster: Cluster, name: str) -> Iterator[tuple[Writer, Object]]:
    """A node that writes to a volume of its own, and its Attachment; at the end every write must have come through."""
    cluster.volume(name)
    cluster.attach(name, name, NODE_1)
    attachment = cluster.wait_exported(name)
    with Initiator(cluster.access(attachment, NODE_1), patience=200) as node:
        writer = Writer(node)
        try:
            # A login that was never complete is not tried again; what is disturbed shall be a node at work.
            wait_for(lambda: writer.writes > 0 or writer.failed is not None, what=f"{name} is written to")
            yield writer, attachment
            before = writer.writes
            # It goes on after whatever happened.
            wait_for(
                lambda: writer.writes > before or writer.failed is not None, what=f"{name} is written to", timeout=250
            )
        finally:
            writer.stop()
        assert writer.failed is None
    now = cluster.wait_exported(name)
    assert now["status"]["connectionInfo"] == attachment["status"]["connectionInfo"]
    detach(cluster, name)


def detach(cluster: Cluster, name: str) -> None:
    """Remove an Attachment and its Volume of the same name."""
    for kind in ("Attachment", "Volume"):
        cluster.delete(kind, name)
        cluster.wait_gone(kind, name)


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


def test_the_data_are_on_the_volume_that_was_claimed(cluster: Cluster, node: Node) -> None:
    cluster.volume("kept")
    files = [path for path in Path(node.files.storage).rglob("*") if path.is_file()]
    assert any(path.stat().st_size == 64 << 20 for path in files)
    assert {path.stat().st_gid for path in files} == {65532}
    cluster.delete("Volume", "kept")
    cluster.wait_gone("Volume", "kept")
