"""A cluster that is lost and restored from its objects alone, while nodes keep writing: by the guide, as it stands."""

import asyncio
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubernetes import client

from asked_rights import Asked
from cluster import Cluster, Object, condition, holders
from fairlead_devstack.api_client import connect
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.lookup import locate_control_plane, locate_kubectl
from fairlead_devstack.ports import free_port
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack, stop_daemons, wait_for_backend
from fairlead_operator.drivers import tgt_protocol as tgt
from fairlead_operator.drivers.tgt_listing import parse_targets
from fairlead_operator.drivers.tgt_socket import exchange
from iscsi import Access, Initiator, login
from packages import need_commands
from rest import Rest

GUIDE = Path(__file__).parents[2] / "docs" / "operations" / "backup-and-restore.md"
NAMESPACE = "project"
BACKEND = "local"
NODE = "iqn.2026-11.org.example:node"
REST_NODE = "iqn.2026-11.org.example:rest-node"
WAITING_NODE = "iqn.2026-11.org.example:waiting-node"


class Installation:
    """A cluster with Fairlead, on a data folder that outlives it."""

    def __init__(self, control_plane: ControlPlane, folder: Path, data: Path, port: int) -> None:
        folder.mkdir()
        self._parameters = {"dataDir": str(data), "port": port}
        self.control_plane = control_plane
        self.stack = Stack(control_plane, folder, lease_duration=2.0, sweep_interval=2.0)
        self.stack.install()

    def declare(self) -> None:
        self.stack.add_backend(BACKEND, default=True, parameters=self._parameters)

    def start(self) -> None:
        self.stack.start_operator()
        self.stack.start_facade()
        with connect(self.control_plane.kubeconfig) as api:
            wait_for_backend(api, BACKEND)

    def stop(self) -> None:
        """End the processes; the target daemon stays."""
        for process in list(self.stack.processes.values()):
            process.terminate()
        self.stack.processes.clear()

    def run(self, script: str, folder: Path) -> None:
        """Run a block of the guide."""
        kubectl = str(locate_kubectl().path.parent)
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.control_plane.kubeconfig),
            "PATH": f"{kubectl}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
        }
        command = ["bash", "-euo", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def installation(folder: Path, data: Path, port: int) -> Iterator[Installation]:
    with ControlPlane(programs=locate_control_plane()) as control_plane:
        with connect(control_plane.kubeconfig) as api:
            client.CoreV1Api(api).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
        found = Installation(control_plane, folder, data, port)
        try:
            yield found
        finally:
            found.stop()


class Writing:
    """A node that writes all the while."""

    def __init__(self, access: Access) -> None:
        self.writes, self.failures = 0, 0
        self._end = threading.Event()
        self._node = Initiator(access)
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Writing":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()
        self._node.close()

    def _write(self) -> None:
        while not self._end.wait(0.02):
            self.writes += 1
            self.failures += not self._node.write(offset=(self.writes % 256) * 4096, pattern=self.writes % 256)


def block(name: str) -> str:
    """A shell block of the guide, by the comment before it."""
    found = re.search(rf"<!-- test: {name} -->\n```bash\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert found is not None, name
    return found[1]


def targets_on(data: Path) -> dict[str, int]:
    """The targets of a data folder's daemon, with its own numbers for them: one that was made anew has another."""
    [control] = [path for path in (data / "run").glob("ctl.*") if path.is_socket()]
    text = asyncio.run(exchange(control, tgt.target_show(), admit=lambda: None))
    return {target.name: target.tid for target in parse_targets(text)}


def uids(cluster: Cluster) -> set[str]:
    return {item["metadata"]["uid"] for kind in ("Volume", "Attachment") for item in cluster.all(kind)}


def test_every_attachment_resumes_in_a_new_cluster_under_the_writes_of_its_nodes(asked: Asked) -> None:
    """By kubectl and by REST, with one that waits and is restored, by its name, before the one that it waits for."""
    need_commands({"jq": "jq"})
    with ScratchFolder("restore") as scratch:
        data, port = scratch.path / "data", free_port("127.0.0.1")
        data.mkdir()
        try:
            _lose_and_restore(scratch.path, data, port, asked)
        finally:
            stop_daemons(data)


def _lose_and_restore(folder: Path, data: Path, port: int, asked: Asked) -> None:
    with installation(folder / "old", data, port) as old, connect(old.control_plane.kubeconfig) as api:
        old.declare()
        old.start()
        cluster, rest = Cluster(api, NAMESPACE), Rest(old.stack.facade_url, NAMESPACE)
        cluster.volume("data")
        cluster.attach("holder", "data", NODE)
        before = cluster.wait_exported("holder")
        access = cluster.access(before, NODE)
        cluster.attach("a-waiter", "data", WAITING_NODE)
        cluster.wait("Attachment", "a-waiter", lambda a: condition(a, "Admitted") == "False", "waits")
        attached = rest.attach(rest.volume(), REST_NODE)
        old_uids, old_targets = uids(cluster), targets_on(data)
        node = Writing(access)
        with node:
            old.run(block("backup"), folder)
            old.stop()
            asked.add(old.control_plane.audit_log)
            old.control_plane.stop()

            with installation(folder / "new", data, port) as new, connect(new.control_plane.kubeconfig) as api:
                new.run(block("restore"), folder)
                restored = Cluster(api, NAMESPACE)
                assert uids(restored).isdisjoint(old_uids)
                new.start()
                after = restored.wait_exported("holder")
                _same_way_in(before, after)
                assert restored.access(after, NODE) == access
                shown = Rest(new.stack.facade_url, NAMESPACE).ok("GET", f"/attachments/{attached['id']}", status=200)
                assert shown["attachment"]["connection_info"] == attached["connection_info"]
                restored.wait("Attachment", "a-waiter", lambda a: condition(a, "Admitted") == "False", "waits again")
                assert holders(restored.wait("Volume", "data", lambda v: v["status"]["attachments"], "held")) == [
                    "holder"
                ]
                # Nothing was made anew: a target that was has another number.
                assert targets_on(data) == old_targets
                _is_guarded(restored, access)
                new.stop()
                asked.add(new.control_plane.audit_log)
        assert node.writes > 100
        assert node.failures == 0


def _same_way_in(before: Object, after: Object) -> None:
    assert after["status"]["connectionInfo"] == before["status"]["connectionInfo"]
    assert after["status"]["handle"] == before["status"]["handle"]


def _is_guarded(cluster: Cluster, access: Access) -> None:
    """The safety rule holds for what was restored."""
    cluster.create("Attachment", "other", {"volumeName": "data", "conflictPolicy": "Reject"})
    cluster.wait("Attachment", "other", lambda a: a["status"]["phase"] == "Rejected", "refused")
    assert login(access).accepted
