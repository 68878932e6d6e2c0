"""What every system under measurement is: started as a whole, and ended however that goes."""

import abc
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.stack import Stack


class Place(abc.ABC):
    """A context manager; a start that fails half way is ended like one that succeeded."""

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @abc.abstractmethod
    def _start(self) -> None:
        """Start everything."""

    @abc.abstractmethod
    def stop(self) -> None:
        """End everything that has been started."""


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

    def stop(self) -> None:
        """End everything."""
        # The target daemons are ended by an event loop of its own, and there may be one in this thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.stack.stop).result()
        self.control_plane.stop()
