"""Operators to hurt: a Backend of one's own, served by processes that a test may kill."""

import uuid
from pathlib import Path

from faults import Faults
from kubernetes import client

from fairlead_devstack.api_client import connect
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.stack import Stack, wait_for_backend

LEASE = 2.0
"""Seconds. Short, because tests wait for dead holders; not shorter, because these machines stall."""


class OwnBackend:
    """A Backend of one's own and the operators that serve it."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self.name = f"own-{uuid.uuid4().hex[:8]}"
        self.stack = Stack(control_plane, folder, lease_duration=LEASE, sweep_interval=5.0)
        self._control_plane = control_plane
        self.stack.install()
        self.data = self.stack.add_backend(self.name)

    def start(self, name: str = "operator") -> tuple[Component, Faults]:
        """Start an operator for this Backend alone and return it with its fault points."""
        faults = Faults(self.stack.folder / f"{name}-faults")
        options = ("--backend", self.name, "--no-controller")
        return self.stack.start_operator(name, options=options, fault_dir=faults.folder), faults

    def wait_ready(self) -> None:
        with connect(self._control_plane.kubeconfig) as api:
            wait_for_backend(api, self.name)

    def log(self, name: str = "operator") -> str:
        return (self.stack.folder / f"{name}.log").read_text()

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
