"""Started, ready, live: three questions with three answers, on both processes."""

import os
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from facades import facade, write_private
from fairlead_crds import names
from fairlead_devstack.component import Component
from fairlead_devstack.ports import free_port
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"
STARTED, READY, LIVE = "startupz", "readyz", "livez"


class Asked:
    """A process's probes."""

    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self, probe: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/{probe}", timeout=5) as answer:
                return answer.status, answer.read().decode().strip()
        except urllib.error.HTTPError as refusal:
            return refusal.code, refusal.read().decode().strip()
        except OSError as error:
            return 0, str(error)


@pytest.fixture(autouse=True)
def _ended(own_backend: OwnBackend) -> Iterator[None]:
    yield
    for process in list(own_backend.stack.processes.values()):
        process.terminate()
    own_backend.stack.processes.clear()


def start(own: OwnBackend, name: str) -> Asked:
    own.start(name)
    return Asked(own.stack.health_ports[name])


def test_an_operator_that_does_not_lead_is_as_ready_as_the_one_that_does(own_backend: OwnBackend) -> None:
    leader = start(own_backend, "leader")
    own_backend.wait_ready()
    waiting = start(own_backend, "waiting")
    for asked in (leader, waiting):
        for probe in (STARTED, READY, LIVE):
            wait_for(lambda asked=asked, probe=probe: asked(probe) == (200, "ok"), what=probe)
    assert own_backend.wins("waiting") == 0


def test_an_operator_whose_watch_keeps_a_change_from_it_is_not_live(own_backend: OwnBackend, cluster: Cluster) -> None:
    """It is ready all the while: the API server does answer it."""
    _, faults = own_backend.start("deaf", more=("--watch-patience", "1"))
    own_backend.wait_ready()
    asked = Asked(own_backend.stack.health_ports["deaf"])
    cluster.volume("data", backendName=own_backend.name)
    faults.set("watch.attachments.unheard", "pause")
    cluster.attach("unheard", "data", NODE)
    faults.wait_reached("watch.attachments.unheard")
    wait_for(lambda: asked(LIVE)[0] == 503, what="it is not live", timeout=60)
    assert "the watch of attachments has been silent about a change" in asked(LIVE)[1]
    assert asked(READY) == (200, "ok")
    faults.go("watch.attachments.unheard")
    wait_for(lambda: asked(LIVE) == (200, "ok"), what="it is live again")
    cluster.wait_exported("unheard")
    cluster.remove_all()


@pytest.mark.parametrize("process", ["operator", "api"])
def test_without_an_api_server_a_process_is_neither_started_nor_ready_but_live(
    own_backend: OwnBackend, tmp_path: Path, process: str
) -> None:
    account = {"operator": names.OPERATOR_ACCOUNT, "api": names.FACADE_ACCOUNT}[process]
    real = (own_backend.stack.folder / f"{account}.kubeconfig").read_text()
    nowhere = re.sub(r"server: .*", f"server: https://127.0.0.1:{free_port('127.0.0.1')}", real)
    config = write_private(tmp_path / "kubeconfig", nowhere)
    port = free_port("127.0.0.1")
    options = {
        "operator": ("--health-port", str(port), "--no-controller"),
        "api": ("--port", str(free_port("127.0.0.1")), "--metrics-port", str(port)),
    }[process]
    asked = Asked(port)
    running = Component(
        process,
        [sys.executable, "-m", f"fairlead_{process}.main", *options],
        folder=tmp_path,
        ready=lambda: asked(LIVE)[0] == 200,
        tethered=True,
        ready_timeout=60.0,
        environment={**os.environ, "KUBECONFIG": str(config)},
    )
    running.start()
    try:
        running.wait_ready()
        assert asked(STARTED)[0] == 503
        assert asked(READY)[0] == 503
        assert asked(LIVE) == (200, "ok")
    finally:
        running.terminate()


def test_a_facade_is_ready_when_it_has_read_everything(own_backend: OwnBackend) -> None:
    port = free_port("127.0.0.1")
    with facade(own_backend.stack, "probed", "--metrics-port", str(port)):
        asked = Asked(port)
        assert [asked(probe) for probe in (STARTED, READY, LIVE)] == [(200, "ok")] * 3
