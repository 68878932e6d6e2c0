"""A node that writes without a pause while something happens to what serves it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cluster import Cluster, Object
from iscsi import Initiator
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
