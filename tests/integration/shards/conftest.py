"""A divided installation on a control plane of its own: a controller, and an operator for each of two Backends."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from asked_rights import Asked
from cluster import Cluster
from fairlead_bench.told import samples
from fairlead_devstack.api_client import connect
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.ports import free_port
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.stack import Stack, wait_for_backend
from faults import Faults

CONTROLLER = "controller"
EAST = "east"
WEST = "west"


class Shards:
    """The processes, by the Backend that each serves or as `CONTROLLER`."""

    def __init__(self, control_plane: ControlPlane, folder: Path) -> None:
        self.stack = Stack(control_plane, folder, lease_duration=2.0, sweep_interval=2.0)
        self.metrics: dict[str, int] = {}

    def start(self, name: str) -> Faults:
        """Start the operator of a Backend, or the controller, and return its fault points."""
        self.metrics[name] = free_port("127.0.0.1")
        kind = ("--controller-only",) if name == CONTROLLER else ("--backend", name, "--no-controller")
        faults = Faults(self.stack.folder / f"{name}-faults")
        options = (*kind, "--metrics-port", str(self.metrics[name]))
        self.stack.start_operator(name, options=options, fault_dir=faults.folder)
        return faults

    def process(self, name: str) -> Component:
        return self.stack.processes[name]

    def wait_ready(self, *backends: str) -> None:
        with connect(self.stack.control_plane.kubeconfig) as api:
            for name in backends:
                wait_for_backend(api, name)

    def known(self, name: str) -> dict[str, int]:
        """How many objects of each kind that process has."""
        return self.counted(name, "fairlead_cache_objects", "resource")

    def counted(self, name: str, metric: str, label: str) -> dict[str, int]:
        """The values of a metric of that process, by one of its labels."""
        return {sample.labels[label]: int(sample.value) for sample in samples(self.metrics[name], metric)}


@pytest.fixture(scope="module")
def shards(asked: Asked) -> Iterator[Shards]:
    with ControlPlane() as control_plane, ScratchFolder("shards") as scratch:
        running = Shards(control_plane, scratch.path)
        try:
            running.stack.install()
            running.stack.add_backend(EAST, default=True)
            running.stack.add_backend(WEST)
            for name in (CONTROLLER, EAST, WEST):
                running.start(name)
            running.stack.start_facade()
            running.wait_ready(EAST, WEST)
            yield running
        finally:
            running.stack.stop()
        asked.add(control_plane.audit_log)


@pytest.fixture(scope="module")
def admin(shards: Shards) -> Iterator[client.ApiClient]:
    """The official client, as administrator of that control plane."""
    with connect(shards.stack.control_plane.kubeconfig) as api:
        yield api


@pytest.fixture
def cluster(shards: Shards, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    """A namespace that is empty again when every process has been through it."""
    found = Cluster(admin, namespace)
    yield found
    found.remove_all()
