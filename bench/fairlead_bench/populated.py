"""Fairlead over a population: a control plane with many exported pairs in it, and processes whose start is watched."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kubernetes import client

from fairlead_bench.place import StackPlace
from fairlead_bench.told import samples
from fairlead_devstack.api_client import connect
from fairlead_devstack.component import Component
from fairlead_devstack.population import RECORD, Loading, Pair, live_once, populate
from fairlead_devstack.ports import free_port
from fairlead_devstack.stack import wait_for_backend

BACKEND: Final = "paper"
PROJECT: Final = "many"
_POLL: Final = 0.1
_PATIENCE: Final = 900.0
_QUIET: Final = ("--log-level", "INFO")


@dataclass(frozen=True)
class Watched:
    """A process and where it tells its metrics."""

    component: Component
    port: int

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name with those labels; 0 while nobody answers."""
        try:
            found = samples(self.port, name)
        except OSError:
            return 0.0
        return sum(sample.value for sample in found if labels.items() <= sample.labels.items())

    @property
    def longest_stall(self) -> float:
        """Seconds: the longest that its event loop has kept others waiting."""
        return self.metric("fairlead_event_loop_longest_turn_seconds")

    @property
    def longest_work(self) -> float:
        """Seconds: the most processor time that it took meanwhile."""
        return self.metric("fairlead_event_loop_longest_busy_seconds")

    @property
    def pairs(self) -> float:
        """Attachments it knows, once it knows as many Volumes."""
        return self._of_both("fairlead_cache_objects")

    @property
    def watches(self) -> bool:
        """Whether it has begun to hear of changes of both; an operator's."""
        return self._of_both("fairlead_watch_last_event_timestamp_seconds") > 0

    def _of_both(self, metric: str) -> float:
        return min(self.metric(metric, resource=kind) for kind in ("volumes", "attachments"))

    def until(self, what: str, holds: Callable[[], bool]) -> float:
        """Wait for a condition; return the seconds that it took.

        Raises:
            TimeoutError: it never came about; also when the process has ended.
        """
        began = time.monotonic()
        while not holds():
            if not self.component.alive or time.monotonic() - began > _PATIENCE:
                raise TimeoutError(f"{self.component.name} never {what}; see {self.component.log_path}")
            time.sleep(_POLL)
        return time.monotonic() - began


class Populated(StackPlace):
    """With as many pairs as it is told to `grow`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.pairs = 0
        self._like: Pair | None = None
        self._notes = folder

    def _furnish(self) -> None:
        self._notes = self.stack.add_backend(BACKEND, default=True, driver="record", parameters=RECORD)
        with connect(self.control_plane.kubeconfig) as api:
            client.CoreV1Api(api).create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=PROJECT)))
            self.stack.start_operator(options=_QUIET)
            self.stack.start_facade()
            wait_for_backend(api, BACKEND)
        self._like = live_once(self.stack, PROJECT)
        self.pairs = 1
        self.end("facade", "operator")

    def end(self, *names: str) -> None:
        """End processes, in that order, and wait for it."""
        for name in names:
            self.stack.processes[name].terminate()

    def grow(self, count: int) -> Loading:
        """Have that many pairs in all; no operator may run."""
        assert self._like is not None, "use the context manager"
        loading = asyncio.run(populate(self.stack, self._like, count - self.pairs, notes=self._notes))
        self.pairs = count
        return loading

    def operator(self, name: str, *options: str) -> Watched:
        """Start an operator and wait for nothing."""
        port = free_port("127.0.0.1")
        more = (*_QUIET, "--metrics-port", str(port), *options)
        return Watched(self.stack.start_operator(name, options=more, wait=False), port)

    def facade(self, name: str) -> Watched:
        """Start a facade and wait until it serves."""
        port = free_port("127.0.0.1")
        # A takeover over very many may last longer than a caller's usual patience.
        options = ("--metrics-port", str(port), "--export-timeout", f"{_PATIENCE:.0f}")
        return Watched(self.stack.start_facade(name, options=options, patience=_PATIENCE), port)

    def store_bytes(self) -> int:
        """How large etcd's file is."""
        return (self.control_plane.folder / "etcd" / "member" / "snap" / "db").stat().st_size

    def writes_since(self, mark: int) -> list[Any]:
        """What was written since a mark of the audit log, Leases aside."""
        return [
            entry for entry in self.control_plane.audit_log.since(mark) if entry.writes and entry.resource != "leases"
        ]
