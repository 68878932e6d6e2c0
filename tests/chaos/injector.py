"""Does to the processes what the schedule says, and makes everything good again."""

import contextlib
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable

from chaos.history import History
from chaos.installation import BACKENDS, Installation
from chaos.schedule import LANES, Fault, Happening, happenings
from fairlead_devstack.component import Component, ComponentFailed
from waiting import wait_for

_POLITENESS = 5.0
"""Seconds that SIGTERM is given. kube-apiserver takes a minute when it has watches."""


class Injector:
    """Threads that inject faults until `heal`, one for each lane; lanes touch different processes."""

    def __init__(self, installation: Installation, history: History, seed: str, end: threading.Event) -> None:
        self._installation = installation
        self._history = history
        self._seed = seed
        self._end = end
        self._threads = [threading.Thread(target=self._run, args=(lane,), name=f"faults-{lane}") for lane in LANES]
        self.faults: Counter[Fault] = Counter()
        self.exits: list[str] = []
        self.failures: list[BaseException] = []

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def heal(self) -> float:
        """End all faults, have every process run and serve, and return how many seconds that took."""
        self._end.set()
        for thread in self._threads:
            thread.join()
        began = time.monotonic()
        installation = self._installation
        for wire in installation.wires:
            wire.restore()
        components = [*installation.control_plane.components.values(), *installation.operators, *installation.facades]
        for component in components:
            self._revive(component)
        for backend in BACKENDS:
            for pid in installation.daemons(backend):
                _signal(pid, signal.SIGCONT)
        for component in components:
            self._wait_ready(component)
        return time.monotonic() - began

    def _run(self, lane: str) -> None:
        try:
            for happening in happenings(self._seed, lane):
                if self._end.wait(happening.after):
                    return
                self._do(happening)
        except BaseException as error:
            self.failures.append(error)
            self._history.note(f"lane {lane} failed: {error!r}")

    def _do(self, happening: Happening) -> None:
        fault, victim = happening.fault, happening.victim
        self._history.note(f"fault {fault} of {victim}, {happening.lasting:.1f} s")
        match fault:
            case Fault.WATCH_CUT:
                self._installation.wires[victim].cut()
            case Fault.PARTITION:
                wire = self._installation.wires[victim]
                wire.silence()
                self._end.wait(happening.lasting)
                wire.restore()
            case Fault.TGTD_KILL | Fault.TGTD_STOP:
                if not self._hurt_daemon(happening):
                    return
            case _:
                self._hurt(self._victim(fault, victim), happening)
        self.faults[fault] += 1
        self._history.note(f"fault {fault} of {victim} is over")

    def _victim(self, fault: Fault, victim: int) -> Component:
        who = fault.value.partition(":")[0]
        match who:
            case "operator":
                return self._installation.operators[victim]
            case "facade":
                return self._installation.facades[victim]
        return self._installation.control_plane.components[who]

    def _hurt(self, component: Component, happening: Happening) -> None:
        self._revive(component)
        how = happening.fault.value
        if "SIGSTOP" in how:
            component.stop_signal()
            self._end.wait(happening.lasting)
            component.cont()
            return
        if "SIGTERM" in how:
            component.terminate(patience=_POLITENESS)
        else:
            component.kill()
        self._end.wait(happening.lasting)
        component.start()
        if component not in self._installation.operators:
            # Two faults of one server must not become one long absence. Operators have to bear that, too.
            component.wait_ready()

    def _hurt_daemon(self, happening: Happening) -> bool:
        find: Callable[[], list[int]] = lambda: self._installation.daemons(BACKENDS[happening.victim])  # noqa: E731
        with contextlib.suppress(AssertionError):
            wait_for(find, what="tgtd runs", timeout=10)
        pids = find()
        if not pids:
            # Its operators are down, too: there is nothing to hurt.
            return False
        if happening.fault is Fault.TGTD_KILL:
            for pid in pids:
                _signal(pid, signal.SIGKILL)
            return True
        for pid in pids:
            _signal(pid, signal.SIGSTOP)
        self._end.wait(happening.lasting)
        for pid in pids:
            _signal(pid, signal.SIGCONT)
        return True

    def _wait_ready(self, component: Component) -> None:
        try:
            component.wait_ready()
        except ComponentFailed:
            if component.alive:
                raise
            # It was ending when the faults stopped; once more it would be its own fault.
            self._revive(component)
            component.wait_ready()

    def _revive(self, component: Component) -> None:
        """Do what a kubelet does for a process that ended by itself, and remember that it did."""
        if component.alive:
            with contextlib.suppress(ComponentFailed):
                component.cont()
            return
        self.exits.append(component.name)
        self._history.note(f"{component.name} had ended by itself")
        component.start()


def _signal(pid: int, number: int) -> None:
    # The operator may have ended it meanwhile; its pid is not given to another so soon.
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
