"""An operator process: the real runtime, workers and reconcilers, on an event loop that only the test drives."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from fairlead_kube.client import KubeClient
from fairlead_kube.errors import KubeError
from fairlead_kube.store import version_of
from fairlead_operator.lease import Tenure
from fairlead_operator.lister import WATCHED
from fairlead_operator.runtime import Runtime
from fairlead_operator.settings import Settings
from unit.model.api_server import MODELS, ApiServer
from unit.model.calls import Call, transmit
from unit.model.objects import BACKEND
from unit.model.virtual_time import START, VirtualTimeLoop

SETTINGS = Settings(concurrency=2, sweep_interval=20.0, system_namespace="fairlead-system")
ALONE = (SETTINGS,)
"""Each process does everything."""
SHARDED = (replace(SETTINGS, backends=(BACKEND,), controller=False), replace(SETTINGS, controller_only=True))
"""Some serve the Backend and see only what carries its label; others are the controller."""
PLURALS = list(MODELS)


class ProcessLoop(VirtualTimeLoop):
    """The loop of one process."""

    process: "Process"


class SimulatedClient(KubeClient):
    """The real client over messages instead of HTTP. A stream is one message, and ends with what is then."""

    streams_lists = True

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout: float = 0,
    ) -> Any:
        """Send one request."""
        del headers, timeout
        if path.endswith("/events"):
            # Nothing reads them, and nobody waits for them.
            return body
        process: Process = asyncio.get_running_loop().process  # type: ignore[attr-defined]
        server, who = self._server, process.name

        def arrive() -> Any:
            now = process.clock().isoformat().replace("+00:00", "Z")
            return server.request(who, method, path, params=params or {}, body=body, content_type=content_type, now=now)

        return await transmit("api", f"{method} {path}", arrive, changes=method != "GET")

    async def lines(self, path: str, params: Mapping[str, str], *, silence: float) -> AsyncGenerator[bytes]:
        """Send a watch."""
        del silence
        told = await transmit("api", f"WATCH {path}", lambda: self._server.stream(path, params), changes=False)
        for kind, body in told:
            yield json.dumps({"type": kind, "object": body}).encode()


class SimulatedElection:
    """A campaign for a Lease. The world decides who wins; see `World.elect`."""

    def __init__(self, process: "Process", lease: str, work: Callable[[Tenure], Awaitable[None]]) -> None:
        self.process = process
        self.lease = lease
        self._work = work
        self.tenure: Tenure | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to campaign."""
        self.process.elections[self.lease] = self

    async def stop(self) -> None:
        """End the tenure if there is one, and the campaign."""
        if self.process.elections.get(self.lease) is self:
            del self.process.elections[self.lease]
        self.retire()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def settled(self) -> bool:
        """Whether the first try is over: the world decides at once."""
        return True

    @property
    def leading(self) -> bool:
        """Whether the Lease is ours now."""
        return self.tenure is not None and self.tenure.valid

    @property
    def at_work(self) -> bool:
        """Whether the work of a tenure, ended or not, is still going on."""
        return self._task is not None and not self._task.done()

    @property
    def in_office(self) -> bool:
        """Whether nobody else may be elected."""
        return self.at_work and self.tenure is not None and self.tenure.valid

    def win(self, epoch: str) -> None:
        """Begin a tenure."""
        self.tenure = Tenure(self.lease, epoch)
        self.tenure.extend(float("inf"))
        self._task = self.process.loop.create_task(self._run(self.tenure))

    async def _run(self, tenure: Tenure) -> None:
        try:
            await self._work(tenure)
        except Exception as error:
            self.process.ended.append(error)
        finally:
            tenure.end()

    def retire(self) -> None:
        """Notice that the tenure is over: stop working."""
        if self.tenure is not None:
            self.tenure.end()
        if self._task is not None:
            self._task.cancel()


class SimulatedRuntime(Runtime):
    """The real runtime, with campaigns that the world decides."""

    def __init__(self, process: "Process", client: KubeClient, settings: Settings) -> None:
        self._process = process
        super().__init__(settings, client)
        if process.catches_up:
            # Nothing takes long here.
            self.lister.long = -1.0

    def _election(self, lease: str, work: Any) -> Any:
        return SimulatedElection(self._process, lease, work)


class Process:
    """An operator process from its start to its end."""

    def __init__(
        self, name: str, server: ApiServer, settings: Settings, *, time: float, late: list[Call], catches_up: bool
    ) -> None:
        self.name = name
        self.catches_up = catches_up
        """Whether it reads at a takeover only what is new, as with very many objects."""
        self.settings = settings
        self.server = server
        self.loop = ProcessLoop(time=time)
        self.loop.process = self
        self.stopped = False
        self.in_flight: list[Call] = []
        self._late = late
        self.ended: list[Exception] = []
        self.elections: dict[str, SimulatedElection] = {}
        # Where in each watch it is; None: it has to begin first, with a list.
        self.cursors: dict[str, int | None] = dict.fromkeys(PLURALS)
        self._beginning: dict[str, asyncio.Task[None]] = {}
        self.runtime = SimulatedRuntime(self, SimulatedClient(server), settings)
        self.loop.create_task(self.runtime.start())
        self.run()

    def clock(self) -> datetime:
        """The present."""
        return START + timedelta(seconds=self.loop.time())

    def run(self) -> None:
        """Let it do what it can, unless it is stopped."""
        if not self.stopped:
            self.loop.settle()

    def advance(self, seconds: float) -> None:
        """Let time pass. A stopped process finds its timers overdue when it goes on."""
        if self.stopped:
            self.loop.jump(seconds)
        else:
            self.loop.advance(seconds)

    def answer(self, call: Call) -> None:
        """Give a call its answer."""
        assert call.answer is not None
        self.in_flight.remove(call)
        call.answer()
        self.run()

    def give_up(self, call: Call) -> None:
        """Nobody waits for the answer any more; the message may still arrive."""
        if call in self.in_flight:
            self.in_flight.remove(call)
            if call.answer is None:
                self._late.append(call)

    def behind(self, plural: str) -> bool:
        """Whether its watch of that kind has something to tell, or is yet to begin."""
        cursor = self.cursors[plural]
        if cursor is None:
            beginning = self._beginning.get(plural)
            return self.runtime.started and (beginning is None or beginning.done())
        return cursor < len(self.server.events[plural])

    def watch(self, plural: str) -> None:
        """Take the next watch event of that kind, or ask for a list from which the watch can go on."""
        events, cursor, shows = self.server.events[plural], self.cursors[plural], self.settings.shard.has
        if not self.behind(plural):
            return
        if cursor is None:
            self._beginning[plural] = self.loop.create_task(self._begin(plural))
        else:
            self.cursors[plural] = cursor + 1
            event = events[cursor]
            told = event.told_to(shows)
            if told == "DELETED":
                version = {"resource_version": event.item.metadata.resource_version}
                was = event.before.metadata.model_copy(update=version)
                self.loop.call_soon(self.runtime.forget, event.before.model_copy(update={"metadata": was}))
            elif told is not None:
                self.loop.call_soon(self.runtime.deliver, event.item)
        self.run()

    async def _begin(self, plural: str) -> None:
        endpoint = next(endpoint for endpoint in WATCHED if endpoint.plural == plural)
        with contextlib.suppress(KubeError):
            version = await self.runtime.beginnings.find(endpoint)
            events = self.server.events[plural]
            self.cursors[plural] = next(
                (n for n, e in enumerate(events) if version_of(e.item) > int(version)), len(events)
            )
            self.runtime.beginnings.begun(endpoint, "", version)

    def lose_watch(self, plural: str) -> None:
        """The watch breaks, too late to go on from where it was."""
        self.cursors[plural] = None
