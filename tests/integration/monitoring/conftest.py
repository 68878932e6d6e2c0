"""One operator and one facade on a Backend of their own, watched by a real Prometheus."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from kubernetes import client

from chart import CHART
from cluster import Cluster
from facades import RunningFacade, facade
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.ports import free_port
from fairlead_devstack.scratch import ScratchFolder
from faults import Faults
from own_backend import OwnBackend
from prometheus import Prometheus, prometheus
from rest import Rest

_SOONER = {
    # What alerts wait for in earnest, and what a test waits for.
    "[10m]))) > 5\n": "[8s]))) > 1\n",
    "[5m]": "[8s]",
    "[10m]": "[8s]",
    "[15m]": "[8s]",
    "age_seconds > 600": "age_seconds > 2",
    "age_seconds > 30": "age_seconds > 2",
    "lag_seconds > 30": "lag_seconds > 2",
    "timestamp_seconds > 150": "timestamp_seconds > 4",
    "> 5\n": "> 0\n",
    # One of several operators is scraped here, and another may hold the controller's Lease.
    "(fairlead_leader) == 0": '(fairlead_leader{lease!="fairlead-controller"}) == 0',
}


@dataclass
class Watched:
    """What is watched, and who watches."""

    own: OwnBackend
    facade: RunningFacade
    faults: Faults
    prometheus: Prometheus
    metrics: dict[str, int]
    spare: int
    """A port that is scraped, too: for a process that one test starts."""

    def restart_operator(self, *options: str) -> Faults:
        """Start the operator, anew if it runs, on the port that is scraped."""
        running = self.own.stack.processes.pop("operator", None)
        if running is not None:
            running.terminate()
        more = ("--metrics-port", str(self.metrics["operator"]), "--patience", "1", *options)
        _, self.faults = self.own.start(more=more)
        self.own.wait_ready()
        return self.faults


@pytest.fixture(scope="session")
def watched(control_plane: ControlPlane) -> Iterator[Watched]:
    with ScratchFolder("watched") as scratch:
        own = OwnBackend(control_plane, scratch.path)
        jobs = {"operator": free_port("127.0.0.1"), "facade": free_port("127.0.0.1")}
        spare = free_port("127.0.0.1")
        options = ("--metrics-port", str(jobs["facade"]), "--export-timeout", "3")
        try:
            with (
                facade(own.stack, "watched", *options) as running,
                prometheus(scratch.path / "prometheus", {**jobs, "spare": spare}, sooner()) as asked,
            ):
                found = Watched(own, running, Faults(scratch.path / "none"), asked, jobs, spare)
                found.restart_operator()
                yield found
        finally:
            own.remove()


def sooner() -> dict[str, Any]:
    """The shipped rules, in a hurry."""
    text = (CHART / "files" / "monitoring" / "rules.yaml").read_text()
    for earnest, test in _SOONER.items():
        text = text.replace(earnest, test)
    rules: dict[str, Any] = yaml.safe_load(text)
    for group in rules["groups"]:
        for rule in group["rules"]:
            rule["for"] = "0s"
    return rules


@pytest.fixture
def cluster(admin: client.ApiClient, namespace: str) -> Cluster:
    return Cluster(admin, namespace)


@pytest.fixture
def rest(watched: Watched, namespace: str) -> Rest:
    return Rest(watched.facade.url, namespace)
