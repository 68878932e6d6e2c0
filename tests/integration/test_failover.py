"""Two operators for one Backend: how soon the other one serves after the first was killed, ended, stopped or cut off.

Times are compared with the Lease's duration and with what the same attach takes when nothing fails, measured on this
machine in this run. The figures are printed (`-s` shows them); docs/reliability.md has those of one run.
"""

import itertools
import os
import signal
import time
from collections.abc import Iterator

import pytest
from kubernetes import client

from cluster import Cluster
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.scratch import ScratchFolder
from iscsi import Initiator, login
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node-1"
DURATION = 5.0
"""The Lease's, as it is by default."""

ROUNDS = 3
AFTER_KILL = 2.0
AFTER_TERM = 1.0
"""Seconds beyond the Lease's duration, and in place of it: the promise, on a machine that attaches in a tenth of it."""


class Pair:
    """Two operators that may both serve the Backend."""

    def __init__(self, backend: OwnBackend, cluster: Cluster) -> None:
        self.backend = backend
        self.cluster = cluster
        self._number = itertools.count()
        self._operators = [backend.start(name)[0] for name in ("one", "two")]
        backend.wait_ready()

    def leader_and_standby(self) -> tuple[Component, Component]:
        """Wait until both run and one of them leads, and return it first."""
        for operator in self._operators:
            if not operator.alive:
                operator.start()
            operator.wait_ready()
        one, two = self._operators

        def led_by() -> tuple[Component, Component] | None:
            # The holder's identity is host, pid and a random part.
            pid = (self.backend.lease().spec.holder_identity or "__").split("_")[1]
            return (one, two) if pid == str(one.pid) else (two, one) if pid == str(two.pid) else None

        return wait_for(led_by, what="one of the two leads", timeout=30)

    def attach(self) -> float:
        """Attach the volume to a node, detach it again, and return the seconds until it was exported."""
        name = f"a{next(self._number)}"
        began = time.monotonic()
        self.cluster.attach(name, "data", NODE)
        access = self.cluster.access(self.cluster.wait_exported(name, timeout=60), NODE)
        took = time.monotonic() - began
        assert login(access).accepted
        self.cluster.delete("Attachment", name)
        self.cluster.wait_gone("Attachment", name)
        return took


@pytest.fixture
def pair(control_plane: ControlPlane, admin: client.ApiClient, namespace: str) -> Iterator[Pair]:
    with ScratchFolder("failover") as scratch:
        backend = OwnBackend(control_plane, scratch.path, lease=DURATION)
        try:
            cluster = Cluster(admin, namespace)
            running = Pair(backend, cluster)
            cluster.volume("data", backendName=backend.name)
            yield running
            running.leader_and_standby()
            cluster.remove_all()
        finally:
            backend.remove()


def test_after_a_kill_the_other_serves_when_the_lease_has_run_out(pair: Pair) -> None:
    """kill -9: nothing is released, so the other one waits out the Lease, and not much more."""
    for _ in range(ROUNDS):
        leader, _standby = pair.leader_and_standby()
        undisturbed = pair.attach()
        leader.kill()
        took = pair.attach()
        print(f"failover after kill -9: {took:.2f} s with a Lease of {DURATION:.0f} s; undisturbed {undisturbed:.2f} s")
        assert took <= DURATION + _allowed(AFTER_KILL, undisturbed)


def test_after_sigterm_the_other_serves_at_once(pair: Pair) -> None:
    """SIGTERM: the Lease is released, so nobody waits for it to run out."""
    for _ in range(ROUNDS):
        leader, _standby = pair.leader_and_standby()
        undisturbed = pair.attach()
        # Not Component.terminate, which waits for the end: the other one takes over before that.
        os.kill(leader.pid, signal.SIGTERM)
        took = pair.attach()
        print(f"handover after SIGTERM: {took:.2f} s; undisturbed {undisturbed:.2f} s")
        assert took <= _allowed(AFTER_TERM, undisturbed)
        leader.terminate()


def test_a_session_outlives_the_failover(pair: Pair) -> None:
    pair.cluster.attach("held", "data", NODE)
    access = pair.cluster.access(pair.cluster.wait_exported("held"), NODE)
    with Initiator(access) as node:
        leader, standby = pair.leader_and_standby()
        assert node.write(pattern=1)
        target = pair.backend.targets()[access.target]
        leader.kill()
        wait_for(lambda: f"_{standby.pid}_" in (pair.backend.lease().spec.holder_identity or ""), what="taken over")
        pair.cluster.volume("other", backendName=pair.backend.name)
        assert node.read(pattern=1)
        # The very same target: a new one would have another number.
        assert pair.backend.targets()[access.target] == target


def _allowed(promised: float, undisturbed: float) -> float:
    """Return what a failover may add: the promise, or more where even an undisturbed attach is slow."""
    return max(promised, 10 * undisturbed)
