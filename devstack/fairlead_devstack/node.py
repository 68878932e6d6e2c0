"""A whole Kubernetes node on this machine: a control plane, containerd, kubelet, scheduler and kube-proxy.

On it `helm install` really starts pods. It needs root, and while it is there it changes this machine's network (a
bridge for the node, one for pods, kube-proxy's nftables) and a few kernel settings; all of that is taken away at the
end, by a guard process of its own if this one is killed.
"""

import fcntl
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from kubernetes import client

from fairlead_devstack import node_network
from fairlead_devstack.api_client import connect
from fairlead_devstack.audit import AuditLog
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.debian import ensure_commands, find_command
from fairlead_devstack.lookup import locate_control_plane
from fairlead_devstack.node_files import NodeFiles
from fairlead_devstack.node_programs import NODE_COMMANDS, NodePrograms, locate_node_programs
from fairlead_devstack.node_sweep import clear, record_before
from fairlead_devstack.probe import answers_ok
from fairlead_devstack.progress import say

NODE = "fairlead-node"
_FOLDER = Path("/var/lib/fairlead-node")
_READY = 120.0

# Every request of a ServiceAccount, so that rights can be compared with what was asked for.
_AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts"]
- level: None
"""


class NodeRefused(Exception):
    """This user may not have a node."""


class Node:
    """Use it as a context manager; there is one per machine.

    Attributes:
        files: where everything of it is.
    """

    def __init__(self) -> None:
        self.files = NodeFiles(_FOLDER)
        self._lock: int | None = None
        self._guard: subprocess.Popen[bytes] | None = None
        self._control_plane: ControlPlane | None = None

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        assert self._control_plane is not None
        return self._control_plane.kubeconfig

    @property
    def audit_log(self) -> AuditLog:
        """Every request of a ServiceAccount, watches at their beginning too."""
        assert self._control_plane is not None
        return self._control_plane.audit_log

    def start(self) -> None:
        """Start everything and wait until pods can run, after another node has ended; on failure nothing is left.

        Raises:
            NodeRefused: not root.
            NetworkTaken: this machine's network is in the way.
            ComponentFailed: a program ended or did not become ready.
        """
        if os.geteuid() != 0:
            raise NodeRefused("a node needs root: it makes bridges, mounts and cgroups")
        ensure_commands(NODE_COMMANDS)
        programs = locate_control_plane()
        mine = locate_node_programs(programs.kube_apiserver.version)
        self._take()
        try:
            say("starting etcd, kube-apiserver and kube-controller-manager")
            node_network.create_network()
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
            policy = self.files.folder / "audit-policy.yaml"
            policy.write_text(_AUDIT_POLICY)
            plane = ControlPlane(
                data_dir=self.files.control_plane,
                programs=programs,
                address=node_network.ADDRESS,
                service_cidr=node_network.SERVICE_SUBNET,
                extra_apiserver_arguments=(
                    f"--audit-policy-file={policy}",
                    "--kubelet-preferred-address-types=InternalIP",
                ),
            )
            self._control_plane = plane
            plane.add_user(f"system:node:{NODE}", ["system:nodes"])
            plane.add_user("system:kube-scheduler")
            plane.add_user("system:kube-proxy")
            plane.start()
            self._start_node(plane, mine)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Take everything away; safe to repeat."""
        if self._lock is None:
            return
        clear(self.files.folder)
        self._control_plane = None
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.stdin.close()
            self._guard.wait()
            self._guard = None
        os.close(self._lock)
        self._lock = None

    def import_images(self, archive: Path) -> None:
        """Give containerd the images of an archive.

        Raises:
            subprocess.CalledProcessError: it does not take them.
        """
        ctr = find_command("ctr") or "ctr"
        arguments = ["--address", str(self.files.runtime_socket), "--namespace", "k8s.io", "images", "import"]
        subprocess.run(
            [ctr, *arguments, str(archive)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=600,
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take(self) -> None:
        """Be the only one, clear what a killed one has left where its guard was killed too, and set up a guard."""
        # The lock is on the folder around ours: that one is there before and after.
        lock = os.open(_FOLDER.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another node runs on this machine, or is just being cleared away; waiting for its end")
                fcntl.flock(lock, fcntl.LOCK_EX)
        except BaseException:
            os.close(lock)
            raise
        self._lock = lock
        if _FOLDER.exists():
            say(f"clearing away what an earlier node left in {_FOLDER}")
            clear(_FOLDER)
        _FOLDER.mkdir(mode=0o700)
        record_before(_FOLDER)
        for folder in (self.files.logs, self.files.containerd, self.files.kubelet, self.files.storage):
            folder.mkdir()
        # It inherits the lock, so the next node waits for its clearing too.
        self._guard = subprocess.Popen(
            [sys.executable, "-m", "fairlead_devstack.node_sweep", str(_FOLDER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(lock,),
        )

    def _start_node(self, plane: ControlPlane, programs: NodePrograms) -> None:
        say("starting containerd, kubelet, kube-scheduler and kube-proxy")
        address = node_network.ADDRESS
        containerd = find_command("containerd") or "containerd"
        self._component(
            "containerd",
            [containerd, "--config", str(self.files.write_containerd())],
            ready=lambda: _listens(self.files.runtime_socket),
        )
        scheduler = plane.kubeconfig_for("system:kube-scheduler")
        self._component(
            "kube-scheduler",
            [
                *(str(programs.kube_scheduler.path), f"--kubeconfig={scheduler}", "--leader-elect=false"),
                *(f"--bind-address={address}", "--secure-port=10259", f"--authentication-kubeconfig={scheduler}"),
                f"--authorization-kubeconfig={scheduler}",
                f"--cert-dir={self.files.folder / 'scheduler-certs'}",
            ],
            ready=lambda: answers_ok(address, 10259, "/healthz", tls=True),
        )
        proxy = self.files.write_proxy(plane.kubeconfig_for("system:kube-proxy"))
        kubelet = plane.kubeconfig_for(f"system:node:{NODE}")
        self._component(
            "kubelet",
            [
                *(str(programs.kubelet.path), f"--config={self.files.write_kubelet()}", f"--kubeconfig={kubelet}"),
                *(f"--root-dir={self.files.kubelet}", f"--hostname-override={NODE}", f"--node-ip={address}"),
                f"--cert-dir={self.files.folder / 'kubelet-certs'}",
            ],
            ready=self._is_ready,
        )
        self._component(
            "kube-proxy",
            [str(programs.kube_proxy.path), f"--config={proxy}", f"--hostname-override={NODE}"],
            ready=lambda: answers_ok(address, 10256, "/livez", tls=False),
        )

    def _component(self, name: str, command: list[str], *, ready: Callable[[], bool]) -> None:
        component = Component(
            name,
            command,
            folder=self.files.logs,
            ready=ready,
            tethered=True,
            ready_timeout=_READY,
        )
        component.start()
        component.wait_ready()

    def _is_ready(self) -> bool:
        with connect(self.kubeconfig) as api:
            try:
                node = client.CoreV1Api(api).read_node(NODE)
            except client.ApiException:
                return False
        conditions = (node.status.conditions or []) if node.status else []
        return any(c.type == "Ready" and c.status == "True" for c in conditions)


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
