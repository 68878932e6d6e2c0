"""Fairlead under measurement: one way to start and end it."""

import abc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.place import Place
from fairlead_devstack.stack import Stack


class StackPlace(Place):
    """Fairlead on a control plane of its own; leaves nothing behind.

    Args:
        folder: for everything but the control plane's data.
        durable: whether etcd answers a write when it is on the disk, as in a cluster.
        environment: variables of the control plane's processes, beside this process's.
    """

    def __init__(self, folder: Path, *, durable: bool = False, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.control_plane = ControlPlane(durable=durable, environment=environment)
        self.stack = Stack(self.control_plane, folder)

    def _start(self) -> None:
        self.control_plane.start()
        self.stack.install()
        self._furnish()

    @abc.abstractmethod
    def _furnish(self) -> None:
        """Make the Backends and start Fairlead's processes."""

    def pids(self) -> Mapping[str, list[int]]:
        """The processes that run, by the name of their part."""
        components = {**self.stack.processes, **self.control_plane.components}
        return {name: [component.pid] for name, component in components.items() if component.alive}

    def stop(self) -> None:
        """End everything."""
        # The target daemons are ended by an event loop of its own, and there may be one in this thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.stack.stop).result()
        self.control_plane.stop()
