"""Fairlead with two Backends, served by one operator and one facade or divided among more, on one control plane."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fairlead_bench.place import StackPlace
from fairlead_bench.told import samples
from fairlead_crds.names import CONTROLLER_LEASE, backend_lease
from fairlead_devstack.ports import free_port
from fairlead_devstack.stack import Stack
from fairlead_operator.drivers import tgt_process

BACKENDS = ("one", "two")
_PATIENCE = 120.0
_POLL = 0.05


@dataclass(frozen=True)
class Layout:
    """Who does the work: the operator's processes by name with their options, and how many facades."""

    name: str
    operators: Mapping[str, tuple[str, ...]]
    facades: int


TOGETHER = Layout("1 + 1", {"operator": ()}, 1)
DIVIDED = Layout(
    "2 + 2",
    {
        "controller": ("--controller-only",),
        **{f"operator-{name}": ("--backend", name, "--no-controller") for name in BACKENDS},
    },
    2,
)


class Running:
    """A layout at work."""

    def __init__(self, stack: Stack, layout: Layout) -> None:
        self._stack = stack
        self.layout = layout
        self._metrics: dict[str, int] = {}
        self.urls: list[str] = []
        for name, options in layout.operators.items():
            self._metrics[name] = free_port("127.0.0.1")
            more = ("--metrics-port", str(self._metrics[name]), "--log-level", "INFO")
            stack.start_operator(name, options=(*options, *more))
        for number in range(1, layout.facades + 1):
            stack.start_facade(f"facade-{number}")
            self.urls.append(f"{stack.facade_url}/v3")

    def stop(self) -> None:
        """End its processes; the target daemons stay."""
        for name in [*self.pids()]:
            self._stack.processes.pop(name).terminate()

    def pids(self) -> Mapping[str, list[int]]:
        """Its processes by name."""
        return {name: [component.pid] for name, component in self._stack.processes.items()}

    async def wait_serving(self, pairs: int = 0) -> None:
        """Wait until every Lease is held, and that many Attachments of Backends are known to those who hold them.

        Raises:
            TimeoutError: it takes longer than two minutes.
        """
        leases = {CONTROLLER_LEASE, *map(backend_lease, BACKENDS)}
        async with asyncio.timeout(_PATIENCE):
            while True:
                if self._leads() == leases and self.known() >= pairs:
                    return
                await asyncio.sleep(_POLL)

    def _leads(self) -> set[str]:
        leaders = (self.counted(name, "fairlead_leader", "lease") for name in self._metrics)
        return {lease for held in leaders for lease, leads in held.items() if leads}

    def known(self) -> float:
        """How many Attachments its operators have."""
        return sum(self.counted(name, "fairlead_cache_objects", "resource")["attachments"] for name in self._metrics)

    def counted(self, name: str, metric: str, label: str) -> dict[str, float]:
        """The values of an operator's metric by one of its labels."""
        return {sample.labels[label]: sample.value for sample in samples(self._metrics[name], metric)}

    def events(self) -> dict[str, float]:
        """How many changes of Volumes and Attachments each operator's watches told of."""
        told = {name: self.counted(name, "fairlead_watch_events_total", "resource") for name in self._metrics}
        return {name: by.get("volumes", 0.0) + by.get("attachments", 0.0) for name, by in told.items()}


class DividedInstallation(StackPlace):
    """Two Backends, and whichever layout is started on them.

    Args:
        folder: for everything but the control plane's data.
        driver: of the Backends.
        parameters: of the driver beside its folder.
    """

    def __init__(
        self, folder: Path, *, driver: str = "iscsi-tgt", parameters: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(folder)
        self._driver = driver
        self._parameters = parameters

    def _furnish(self) -> None:
        self.set_default(BACKENDS[0])

    def set_default(self, default: str) -> None:
        """Make one of the Backends the default, and both of them the first time."""
        for name in BACKENDS:
            self.stack.add_backend(name, default=name == default, driver=self._driver, parameters=self._parameters)

    def daemons(self) -> Mapping[str, list[int]]:
        """The target daemons and the parts of the control plane."""
        components = self.control_plane.components.items()
        tgtd = [pid for name in BACKENDS for pid in tgt_process.find_running(self.stack.data_dirs[name] / "run")]
        return {"tgtd": tgtd, **{name: [component.pid] for name, component in components}}
