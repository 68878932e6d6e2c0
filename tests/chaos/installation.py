"""What is hurt: a control plane of its own, two Backends, two operators that may serve both, two facades."""

from pathlib import Path
from typing import Any

from kubernetes import client

from fairlead_crds import names
from fairlead_crds.credentials import KeyRing
from fairlead_devstack.api_client import connect
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.place import Place
from fairlead_devstack.stack import Stack, wait_for_backend
from fairlead_operator.drivers import tgt_process
from fairlead_operator.drivers import tgt_protocol as tgt
from fairlead_operator.drivers.tgt_listing import Target, parse_targets
from fairlead_operator.drivers.tgt_socket import exchange
from iscsi import Access
from wire import Wire, by_way_of

BACKENDS = ("alpha", "beta")
NAMESPACE = "chaos"
LEASE = 2.0
EXPORT_TIMEOUT = 8
"""Seconds that a facade waits for the operator; short, because clients here have other things to do than wait."""

_PREFIX = "iqn.2026-11.dev.fairlead"


class Installation(Place):
    """A context manager; leaves nothing behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.control_plane = ControlPlane()
        self.stack = Stack(self.control_plane, folder, lease_duration=LEASE, sweep_interval=5.0)
        self.wires: list[Wire] = []
        self.operators: list[Component] = []
        self.facades: list[Component] = []
        self.facade_urls: list[str] = []
        self._keys: dict[str, KeyRing] = {}
        self._portals: dict[str, str] = {}

    def _start(self) -> None:
        self.control_plane.start()
        self.stack.install()
        for name in BACKENDS:
            self.stack.add_backend(name, default=name == BACKENDS[0])
        for number in (1, 2):
            wire = Wire(int(self.control_plane.url.rpartition(":")[2]))
            self.wires.append(wire)
            launcher = by_way_of(wire.url, self.stack, f"operator-{number}")
            self.operators.append(self.stack.start_operator(f"operator-{number}", launcher=launcher))
        for number in (1, 2):
            options = ("--export-timeout", str(EXPORT_TIMEOUT))
            self.facades.append(self.stack.start_facade(f"facade-{number}", options=options))
            self.facade_urls.append(self.stack.facade_url)
        with connect(self.control_plane.kubeconfig) as api:
            for name in BACKENDS:
                wait_for_backend(api, name)
                self._learn(api, name)
            client.CoreV1Api(api).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))

    def stop(self) -> None:
        for component in [*self.operators, *self.facades]:
            # What is frozen cannot hear SIGTERM, and nothing of it is worth a farewell.
            component.kill()
        self.stack.stop()
        for wire in self.wires:
            wire.close()
        self.control_plane.stop()

    def _learn(self, api: client.ApiClient, backend: str) -> None:
        secret = client.CoreV1Api(api).read_namespaced_secret(names.backend_key_secret(backend), names.SYSTEM_NAMESPACE)
        self._keys[backend] = KeyRing.from_secret(secret.data)
        found: Any = client.CustomObjectsApi(api).get_cluster_custom_object(
            names.GROUP, names.VERSION, "backends", backend
        )
        self._portals[backend] = f"127.0.0.1:{found['spec']['parameters']['port']}"

    # --- what its nodes and its owner see ----------------------------------------------------------------------------

    def access(self, backend: str, handle: str, initiator: str) -> Access:
        """How a node would log in, told by nobody: also to what was never exported to it."""
        return Access(
            portal=self._portals[backend],
            target=f"{_PREFIX}:{handle}",
            initiator=initiator,
            username=handle,
            password=self._keys[backend].password(handle, None),
        )

    def daemons(self, backend: str) -> list[int]:
        """Every tgtd of a Backend."""
        return tgt_process.find_running(self.run_folder(backend))

    def run_folder(self, backend: str) -> Path:
        return self.stack.data_dirs[backend] / "run"

    async def targets(self, backend: str) -> dict[str, Target]:
        """What tgtd exports, by handle."""
        sockets = [path for path in self.run_folder(backend).glob("ctl.*") if path.is_socket()]
        if len(sockets) != 1:
            raise OSError(f"{backend}: {len(sockets)} management sockets")
        listing = parse_targets(await exchange(sockets[0], tgt.target_show(), admit=lambda: None))
        return {target.name.removeprefix(f"{_PREFIX}:"): target for target in listing}

    def files(self, backend: str) -> set[str]:
        """Handles of the volumes whose data there are."""
        return {path.stem for path in (self.stack.data_dirs[backend] / "volumes").glob("*.img")}

    def logs(self) -> list[Path]:
        """Everything worth keeping for whoever looks for a cause."""
        ours = sorted(self.folder.glob("*.log")) + sorted(self.folder.glob("*/run/tgtd.log"))
        return [*ours, *sorted((self.control_plane.folder / "logs").glob("*.log")), self.control_plane.audit_log.path]
