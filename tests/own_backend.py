"""Operators to hurt: a Backend of one's own, served by processes that a test may kill."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

from kubernetes import client

from fairlead_crds import names
from fairlead_devstack.api_client import connect
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.stack import Stack, stop_daemons, wait_for_backend
from fairlead_operator.drivers import tgt_protocol as tgt
from fairlead_operator.drivers.tgt_listing import parse_targets
from fairlead_operator.drivers.tgt_socket import exchange
from faults import Faults

LEASE = 2.0
"""Seconds. Short, because tests wait for dead holders; not shorter, because these machines stall."""


class OwnBackend:
    """A Backend of one's own and the operators that serve it."""

    def __init__(self, control_plane: ControlPlane, folder: Path, *, lease: float = LEASE) -> None:
        self.name = f"own-{uuid.uuid4().hex[:8]}"
        self.stack = Stack(control_plane, folder, lease_duration=lease, sweep_interval=2.0)
        self._control_plane = control_plane
        self.stack.install()
        self.data = self.stack.add_backend(self.name)

    def start(
        self,
        name: str = "operator",
        *,
        pause_at: str | None = None,
        launcher: tuple[str, ...] = (),
        more: tuple[str, ...] = (),
    ) -> tuple[Component, Faults]:
        """Start an operator for this Backend alone and return it with its fault points, one perhaps set to pause."""
        faults = Faults(self.stack.folder / f"{name}-faults")
        if pause_at is not None:
            faults.set(pause_at, "pause")
        options = ("--backend", self.name, *more)
        return self.stack.start_operator(name, options=options, fault_dir=faults.folder, launcher=launcher), faults

    def wait_ready(self) -> None:
        with connect(self._control_plane.kubeconfig) as api:
            wait_for_backend(api, self.name)

    def wins(self, name: str = "operator") -> int:
        """How often that operator won the Backend's Lease, as its log says."""
        return self.log(name).count(f"lease {names.backend_lease(self.name)}: won, epoch")

    def log(self, name: str = "operator") -> str:
        return (self.stack.folder / f"{name}.log").read_text()

    @property
    def renewal(self) -> str:
        """The fault point before each renewal of the Backend's Lease; the controller's has another."""
        return f"{names.backend_lease(self.name)}.before-renew"

    def lease(self) -> Any:
        """The Backend's Lease as it stands."""
        with connect(self._control_plane.kubeconfig) as api:
            name = names.backend_lease(self.name)
            return client.CoordinationV1Api(api).read_namespaced_lease(name, names.SYSTEM_NAMESPACE)

    def remove_targets(self) -> None:
        """Remove every target behind the operator's back, as a person at tgtd's management socket can."""

        for tid in self.targets().values():
            self.ask(tgt.target_delete(tid, force=True))

    def targets(self) -> dict[str, int]:
        """The targets that tgtd has and its own numbers for them: one that was made anew has another."""
        return {target.name: target.tid for target in parse_targets(self.ask(tgt.target_show()))}

    def ask(self, request: tgt.Request) -> str:
        """Say something to tgtd, as whoever may use its management socket can."""
        [control] = [path for path in (self.data / "run").glob("ctl.*") if path.is_socket()]
        return asyncio.run(exchange(control, request, admit=lambda: None))

    def end_operators(self) -> None:
        """Ask the operators to end and wait until they have; the daemon and its exports stay."""
        for process in list(self.stack.processes.values()):
            process.terminate()
        self.stack.processes.clear()

    def stop(self, data: Path) -> None:
        """End the operators, and the daemon on a data folder other than the first."""
        self.end_operators()
        stop_daemons(data)

    def remove(self) -> None:
        """Stop all and delete the Backend."""
        self.stack.stop()
        with connect(self._control_plane.kubeconfig) as api:
            objects = client.CustomObjectsApi(api)
            place = ("fairlead.dev", "v1alpha1", "backends", self.name)
            # Nobody is left to take our finalizer off.
            objects.patch_cluster_custom_object(
                *place, {"metadata": {"finalizers": []}}, _content_type="application/merge-patch+json"
            )
            objects.delete_cluster_custom_object(*place)
