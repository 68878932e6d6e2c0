"""The simulated world: an API server, a storage array, operator processes, time, and who is elected."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint
from typing import Any

from fairlead_kube.errors import KubeError
from fairlead_operator.drivers.base import Fenced
from fairlead_operator.lease import LostLease
from fairlead_operator.settings import Settings
from unit.model.api_server import ApiServer
from unit.model.array import ARRAYS, SIZE, Array, Exported
from unit.model.calls import Call
from unit.model.process import PLURALS, Process, SimulatedElection
from unit.model.promises import Promises
from unit.model.virtual_time import START

DRIVER = EntryPoint("simulated", "unit.model.array:SimulatedDriver", "fairlead.drivers")
BACKEND = "b"
NAMESPACE = "n"
LEGACY = "legacy"
"""A volume that the array had before Fairlead came."""

_ENDS_A_TENURE = (Fenced, LostLease, TimeoutError, KubeError)
_QUIET_FOR = 60.0
_STEP = 5.0
_PATIENCE = 600.0


class _Noise(logging.Handler):
    """Hears of exceptions that the operator swallowed: each would be a bug."""

    def __init__(self, broken: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._broken = broken

    def emit(self, record: logging.LogRecord) -> None:
        self._broken.append(record.getMessage() + (f": {record.exc_info[1]!r}" if record.exc_info else ""))


class World:
    """See the module."""

    _names = itertools.count()

    def __init__(self, counts: Counter[str], kinds: Sequence[Settings]) -> None:
        self.counts = counts
        self._kinds = kinds
        self.array = Array(volumes={LEGACY: SIZE})
        self._array_name = f"array-{next(self._names)}"
        ARRAYS[self._array_name] = self.array
        self.promises = Promises(self.array, counts)
        self.server = self.promises.server = ApiServer(self.promises.on_write)
        self.late: list[Call] = []
        self.processes: list[Process] = []
        self._dead: list[Process] = []
        self._births = itertools.count(1)
        self._tenures = itertools.count(1)
        self._time = 0.0
        self._noise = _Noise(self.promises.broken)
        logging.getLogger("fairlead_operator").addHandler(self._noise)
        spec = {"driver": DRIVER.name, "parameters": {"array": self._array_name}, "default": True}
        self.person("POST", "backends", body={"metadata": {"name": BACKEND}, "spec": spec}, namespace="")
        self.fill()
        self.come_to_rest()

    def close(self) -> None:
        """End everything."""
        logging.getLogger("fairlead_operator").removeHandler(self._noise)
        for process in (*self.processes, *self._dead):
            process.loop.finish()
        del ARRAYS[self._array_name]

    # --- people ------------------------------------------------------------------------------------------------------

    def person(
        self,
        method: str,
        plural: str,
        name: str = "",
        *,
        body: Mapping[str, Any] | None = None,
        namespace: str = NAMESPACE,
        who: str = "kubectl",
    ) -> Any:
        """Somebody's request; arrives at once."""
        prefix = "/apis/fairlead.dev/v1alpha1" + (f"/namespaces/{namespace}" if namespace else "")
        now = START.isoformat().replace("+00:00", "Z")
        path = f"{prefix}/{plural}" + (f"/{name}" if name else "")
        return self.server.request(who, method, path, params={}, body=body, content_type="merge", now=now)

    # --- processes ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start one more operator process, of the kind of which there are fewest."""
        number = next(self._births)
        name, catches_up = f"operator-{number}", bool(number % 2)
        kind = min(self._kinds, key=[process.settings for process in self.processes].count)
        self.processes.append(Process(name, self.server, kind, time=self._time, late=self.late, catches_up=catches_up))

    def fill(self, each: int = 2) -> None:
        """Start processes until there are so many of each kind."""
        while not self.is_full(each):
            self.start()

    def is_full(self, each: int = 2) -> bool:
        """Whether there are so many processes of each kind."""
        running = [process.settings for process in self.processes]
        return all(running.count(kind) >= each for kind in self._kinds)

    def kill(self, process: Process) -> None:
        """kill -9: what it has sent may still arrive, and it does nothing more."""
        self.processes.remove(process)
        self._dead.append(process)
        self.late += [call for call in process.in_flight if call.answer is None]

    def advance(self, seconds: float) -> None:
        """Let time pass everywhere."""
        self._time += seconds
        for process in self.processes:
            process.advance(seconds)
        self._look_at_ended()

    def _look_at_ended(self) -> None:
        for process in self.processes:
            for error in process.ended:
                causes = list(_leaves(error))
                if not all(isinstance(cause, _ENDS_A_TENURE) for cause in causes):
                    self.promises.broken.append(f"{process.name}: a tenure ended by {causes}")
                self.counts["tenure ended by itself"] += 1
            process.ended.clear()

    # --- messages ----------------------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """Everything under way, oldest first; what a stopped process has begun to send hangs until it goes on."""
        running = [process for process in self.processes if not process.stopped]
        return sorted((c for p in running for c in p.in_flight), key=lambda c: c.number)

    @property
    def unheard(self) -> list[Call]:
        """What has not arrived yet."""
        return [c for c in self.calls if c.answer is None]

    @property
    def news(self) -> list[tuple[Process, str]]:
        """Processes and kinds of which they have not heard the latest."""
        return [(p, plural) for p in self.processes if not p.stopped for plural in PLURALS if p.behind(plural)]

    def arrive(self, call: Call, how: Callable[[Call], None] = Call.perform) -> None:
        """Let a call arrive; its answer comes later."""
        if call.to == "array":
            # The array serves one epoch's calls in order: what was given up before is over by now.
            for earlier in [c for c in self.late if c.to == "array" and c.epoch == call.epoch]:
                if earlier.number < call.number:
                    self.land(earlier)
        fenced = call.to == "array" and call.name != "fence" and call.epoch != self.array.epoch
        how(call)
        if call.changes or call.refusal is not None:
            self.promises.trace.append(f"{call}: {call.refusal or 'done'}")
        self.counts["a fenced holder's call was refused"] += fenced
        self.promises.check()

    def answer(self, call: Call) -> None:
        """Let the answer come."""
        call.process.answer(call)
        self._look_at_ended()
        self.promises.check()

    def serve(self, call: Call, how: Callable[[Call], None] = Call.perform) -> None:
        """Let a call arrive, unless it has, and its answer come."""
        if call.answer is None:
            self.arrive(call, how)
        self.answer(call)

    def land(self, call: Call) -> None:
        """Something that its sender gave up arrives all the same."""
        self.late.remove(call)
        call.perform()
        self.promises.trace.append(f"{call}: lands late, {call.refusal or 'done'}")
        self.promises.check()

    # --- elections ---------------------------------------------------------------------------------------------------

    @property
    def elections(self) -> list[SimulatedElection]:
        """Every campaign of a living process."""
        return [election for process in self.processes for election in process.elections.values()]

    def candidates(self, lease: str) -> list[SimulatedElection]:
        """Who could take the Lease now."""
        return [e for e in self.elections if e.lease == lease and not e.at_work and not e.process.stopped]

    def elect(self, candidate: SimulatedElection) -> None:
        """Let a candidate win; the present holder's time is over, whether it notices or not."""
        for other in self.elections:
            if other.lease == candidate.lease and other.in_office and other.tenure is not None:
                other.tenure.end()
        self.promises.trace.append(f"{candidate.process.name} wins {candidate.lease}")
        candidate.win(f"{next(self._tenures):08d}-model")
        candidate.process.run()
        self._look_at_ended()

    def retire_deposed(self) -> bool:
        """Let those notice whose tenure is over."""
        deposed = [e for e in self.elections if e.at_work and not e.in_office and not e.process.stopped]
        for election in deposed:
            self.promises.trace.append(f"{election.process.name} notices that {election.lease} is lost")
            election.retire()
            election.process.run()
        return bool(deposed)

    # --- rest --------------------------------------------------------------------------------------------------------

    def work_off(self) -> bool:
        """Serve all that is under way, tell all news, elect whom it takes; False when there was nothing to do."""
        busy = False
        while True:
            calls = self.calls
            for call in calls:
                if call in call.process.in_flight:
                    self.serve(call)
            news = self.news
            for process, plural in news:
                process.watch(plural)
            held = {e.lease for e in self.elections if e.in_office}
            free = sorted({e.lease for e in self.elections} - held)
            won = [self.elect(candidates[0]) for lease in free if (candidates := self.candidates(lease))]
            if not calls and not news and not won:
                return busy
            busy = True

    def come_to_rest(self) -> None:
        """Heal everything and wait until nothing changes any more.

        Raises:
            AssertionError: it never comes to rest.
        """
        self.array.down = False
        for handle, export in list(self.array.exports.items()):
            self.array.exports[handle] = Exported(**{**export.__dict__, "sessions": ()})
        for process in self.processes:
            process.stopped = False
            process.run()
        self.retire_deposed()
        self.late.clear()
        self.fill(1)
        quiet, waited = 0.0, 0.0
        while quiet < _QUIET_FOR:
            before = self._state()
            self.work_off()
            self.advance(_STEP)
            self.work_off()
            self.promises.check()
            quiet = quiet + _STEP if self._state() == before else 0.0
            waited += _STEP
            if waited > _PATIENCE:
                raise AssertionError("it never comes to rest")

    def _state(self) -> object:
        return self.server.version, dict(self.array.exports), dict(self.array.volumes), self.array.epoch


def _leaves(error: BaseException) -> Any:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
