"""Clients at both doors, everything killed, stopped and cut off at random: the promises hold, and it ends in agreement.

`make chaos` runs it: CHAOS_SECONDS of it, with CHAOS_SEED when that is given. See docs/reliability.md.
"""

import os
import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from chaos.agreement import Agreement
from chaos.clients import Client
from chaos.doors import KubeSide, RestSide
from chaos.figures import Figures, publish
from chaos.history import History
from chaos.injector import Injector
from chaos.installation import Installation
from chaos.schedule import Fault
from chaos.witness import Tenant, Witness, try_way
from fairlead_devstack.scratch import ScratchFolder
from waiting import wait_for

SECONDS = float(os.environ.get("CHAOS_SECONDS", "180"))
SEED = os.environ.get("CHAOS_SEED") or f"{random.SystemRandom().getrandbits(32):08x}"
KEEP = os.environ.get("CHAOS_KEEP", "")
"""A folder for the logs and the journal of the run; empty: nothing is kept."""

PUBLISH = os.environ.get("CHAOS_PUBLISH", "") == "1"

CLIENTS = 4
WITNESSES = 2
TENANTS = 3
CONVERGENCE = 60.0
"""Seconds within which everything must agree after the last fault: the promise."""

ROUND = 150.0
"""Seconds in which every kind of fault is certain to come once, on a machine with other work to do."""

FEWEST_PER_SECOND = {"operations": 0.5, "logins": 0.5}


@pytest.fixture
def installation() -> Iterator[Installation]:
    with ScratchFolder("chaos") as scratch, Installation(scratch.path) as running:
        yield running


@pytest.fixture
def history(installation: Installation) -> Iterator[History]:
    with closing(History(installation.folder / "history.log")) as kept:
        yield kept


@pytest.mark.chaos
def test_the_promises_hold_while_everything_fails_and_all_agree_afterwards(
    installation: Installation, history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    """Matrix: what clients do at two doors x what is killed, stopped, ended, cut off or silenced, in any order."""
    with capsys.disabled():
        print(f"\nchaos: seed {SEED}, {SECONDS:.0f} s; again by CHAOS_SEED={SEED} CHAOS_SECONDS={SECONDS:.0f}")
    try:
        figures = _run(installation, history)
        with capsys.disabled():
            print(figures.text())
        figures.check(round_=ROUND, fewest=FEWEST_PER_SECOND, kinds=tuple(Fault))
    finally:
        _keep(installation)
    if PUBLISH:
        publish(figures)


def _run(installation: Installation, history: History) -> Figures:
    peace, end = threading.Event(), threading.Event()
    clients = [Client(installation, history, SEED, number, end) for number in range(CLIENTS)]
    witnesses = [
        *(Witness(history, SEED, number, end) for number in range(WITNESSES)),
        *(Tenant(history, SEED, number, end) for number in range(TENANTS)),
    ]
    injector = Injector(installation, history, SEED, peace)
    began = time.monotonic()
    try:
        for thread in (*clients, *witnesses):
            thread.start()
        injector.start()
        while (left := began + SECONDS - time.monotonic()) > 0:
            # The run's length is its input. It ends early only when a part of the test itself breaks.
            if any(t.failure for t in (*clients, *witnesses)) or injector.failures or end.wait(min(left, 1.0)):
                break
    finally:
        end.set()
        peace.set()
        for thread in (*clients, *witnesses):
            thread.join()
        healing = injector.heal()
    for failure in (*(t.failure for t in (*clients, *witnesses)), *injector.failures):
        if failure is not None:
            raise AssertionError("a part of the chaos suite itself failed") from failure
    lasted = time.monotonic() - began
    converging = _converge(installation, history)
    history.judge_holders()
    return Figures.of(SEED, lasted, history, injector, healing=healing, converging=converging)


def _converge(installation: Installation, history: History) -> float:
    """Wait until everything agrees, log in as everybody who may and some who may not, and return how long it took."""
    began = time.monotonic()
    kube = KubeSide(installation.control_plane.kubeconfig)
    agreement = Agreement(installation, history, RestSide(installation.facade_urls, random.Random(SEED)), kube)
    last: list[list[str]] = [[]]

    def agreed() -> bool:
        last[0] = agreement.disagreements()
        return not last[0]

    try:
        wait_for(agreed, what="all agree", timeout=CONVERGENCE)
    except AssertionError:
        for text in last[0]:
            history.violation(f"no agreement after {CONVERGENCE:.0f} s: {text}")
    finally:
        kube.close()
    took = time.monotonic() - began
    for way in agreement.ways():
        tried = try_way(way)
        history.saw(tried)
        if not tried.accepted:
            history.violation(f"{way.access.initiator} was promised {way.hold.name}, and cannot log in")
    for way in [way for hold in history.holds for way in hold.ways if way.span.gone is not None][-30:]:
        history.saw(try_way(way))
    return took


def _keep(installation: Installation) -> None:
    if not KEEP:
        return
    folder = Path(KEEP) / SEED
    folder.mkdir(parents=True, exist_ok=True)
    for path in [*installation.logs(), installation.folder / "history.log"]:
        if path.exists():
            shutil.copy(path, folder / f"{path.parent.parent.name}-{path.name}")
