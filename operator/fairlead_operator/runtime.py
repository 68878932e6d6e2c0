"""The running operator: one election per Backend it may serve, one for what belongs to none, and the routing of events
to whoever is in charge."""

import asyncio
import logging
import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fairlead_crds.kinds import Attachment, Backend, NodeConnector, Resource, Volume
from fairlead_crds.names import CONTROLLER_LEASE, backend_lease
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import BACKENDS
from fairlead_kube.errors import KubeError
from fairlead_kube.node import Node
from fairlead_kube.store import Change, version_of
from fairlead_kube.turns import in_turns
from fairlead_operator.beginnings import Beginnings
from fairlead_operator.drivers.measured import MeasuredDriver
from fairlead_operator.events import Recorder
from fairlead_operator.lease import Election
from fairlead_operator.lister import Lister
from fairlead_operator.metrics import WATCH_EVENTS
from fairlead_operator.queue import Priority
from fairlead_operator.registry import Plan, Unusable, plan_for
from fairlead_operator.settings import PROGRAM, Settings
from fairlead_operator.unplaced import UnplacedController
from fairlead_operator.view import Key, View, key_of
from fairlead_operator.worker import BackendWorker
from fairlead_operator.writes import Writer
from fairlead_telemetry.api_requests import count_request

_log = logging.getLogger(__name__)

_REACH_AGAIN = 0.5
_LOOK_EVERY = 10.0
"""Seconds that a watch may owe something before we look ourselves, and between looks at what is new."""


@dataclass(frozen=True)
class _Served:
    """A Backend for which we campaign or which we serve."""

    plan: Plan
    worker: BackendWorker
    election: Election


class Runtime:
    """Starts with `start`, is fed by `deliver` and `forget`, ends with `stop`."""

    def __init__(self, settings: Settings, client: KubeClient) -> None:
        self._settings = settings
        self._client = client
        self.view = View(settings.namespaces, settings.shard)
        self.lister = Lister(client, self.view)
        self.beginnings = Beginnings(self.lister, self.view.watch, self._takes_over)
        self._writer = Writer(client, self.view)
        self._recorder = Recorder(client)
        self._served: dict[str, _Served] = {}
        # Unique to this process, however often its pod or host has the same name.
        self._identity = f"{socket.gethostname()}_{os.getpid()}_{uuid.uuid4().hex[:8]}"
        self._controller = UnplacedController(client, self.view, self.lister, self._writer, settings)
        self._controller_election = self._election(CONTROLLER_LEASE, self._controller.run)
        self._changes = asyncio.Event()
        self._reroute = asyncio.Event()
        self._tasks: tuple[asyncio.Task[None], ...] = ()
        self.view.backends.listen(self._on_backend)
        self.view.volumes.listen(self._on_volume)
        self.view.attachments.listen(self._on_attachment)
        self.view.connectors.listen(self._on_node)
        self.view.nodes.listen(self._on_node)

    async def start(self) -> None:
        """Begin to campaign for what the settings allow, as soon as the API server tells which Backends there are."""
        await self._learn_backends()
        await self._replan()
        if self._settings.controller:
            await self._controller_election.start()
        endless = (self._plan_forever(), self._reroute_forever(), self._stay_current())
        self._tasks = tuple(map(asyncio.create_task, endless))

    async def _learn_backends(self) -> None:
        while True:
            try:
                await self.lister.list_kind(BACKENDS)
                return
            except KubeError as error:
                _log.warning("API server: %s", error)
                await asyncio.sleep(_REACH_AGAIN)

    async def stop(self) -> None:
        """Finish what is under way, release the Leases, leave every export as it is."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, self.beginnings.stop(), return_exceptions=True)
        elections = [served.election for served in self._served.values()]
        if self._settings.controller:
            elections.append(self._controller_election)
        await asyncio.gather(*(election.stop() for election in elections))
        await self._recorder.close()

    def _takes_over(self) -> bool:
        """Whether a Backend's Lease is ours, or may be in a moment: then everything will be listed, after the fence."""
        elections = [served.election for served in self._served.values()]
        return any(election.leading or not election.settled for election in elections)

    def deliver(self, item: Resource[Any, Any]) -> None:
        """Take in an object that kopf saw."""
        self._told(item)
        self.view.store_of(type(item)).apply(item)

    def forget(self, item: Resource[Any, Any]) -> None:
        """Take in that an object is gone, or that it has left our shard."""
        self._told(item)
        self.view.store_of(type(item)).remove(item, version=version_of(item))

    def _told(self, item: Resource[Any, Any]) -> None:
        WATCH_EVENTS.labels(item.plural).inc()
        self.view.watch.told(item)

    @property
    def started(self) -> bool:
        """Whether it campaigns."""
        return bool(self._tasks)

    @property
    def ended(self) -> bool:
        """Whether a task has ended that never should."""
        return any(task.done() for task in self._tasks)

    @property
    def workers(self) -> Mapping[str, BackendWorker]:
        """The Backends that this process serves or campaigns for, by name."""
        return {name: served.worker for name, served in self._served.items()}

    @property
    def elections(self) -> Mapping[str, Election]:
        """Its campaigns, by Lease."""
        found = {backend_lease(name): served.election for name, served in self._served.items()}
        return {CONTROLLER_LEASE: self._controller_election, **found} if self._settings.controller else found

    @property
    def controls(self) -> bool:
        """Whether it is in charge of what belongs to no Backend."""
        return self._settings.controller and self._controller_election.leading

    def _election(self, lease: str, work: Any) -> Election:
        return Election(
            lease=lease,
            namespace=self._settings.system_namespace,
            identity=self._identity,
            timing=self._settings.lease,
            connect=lambda: KubeClient.from_environment(PROGRAM, connections=2, on_answer=count_request),
            on_won=work,
        )

    # --- which Backends ----------------------------------------------------------------------------------------------

    async def _stay_current(self) -> None:
        """Ask the API server when a watch seems to owe something: it may be gone, and what is not is learnt by this.

        Whoever stands by keeps what it would have to ask for at a takeover short.
        """
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            try:
                late = [kind for kind, lag in self.view.watch.lags.items() if lag > _LOOK_EVERY]
                if late:
                    _log.warning("watch of %s: silent about a change; asking what is new", ", ".join(late))
                    await self.lister.catch_up()
                elif not all(served.election.leading for served in self._served.values()):
                    await self.lister.keep_up()
            except KubeError as error:
                _log.warning("list: %s", error)

    async def _plan_forever(self) -> None:
        while True:
            await self._changes.wait()
            self._changes.clear()
            await self._replan()

    async def _replan(self) -> None:
        """Campaign for each usable Backend; start anew where its parameters changed."""
        plans: dict[str, Plan] = {}
        for name, backend in self.view.backends_by_name().items():
            if not self._settings.serves(name):
                continue
            plan = plan_for(backend)
            if isinstance(plan, Unusable):
                _log.warning("Backend %s cannot be served: %s", name, plan.message)
            else:
                plans[name] = plan
        for name, served in list(self._served.items()):
            if plans.get(name) != served.plan:
                await served.election.stop()
                del self._served[name]
        for name, plan in plans.items():
            if name not in self._served:
                worker = BackendWorker(
                    backend=name,
                    make_driver=partial(_measured, plan),
                    client=self._client,
                    view=self.view,
                    lister=self.lister,
                    writer=self._writer,
                    recorder=self._recorder,
                    settings=self._settings,
                )
                election = self._election(backend_lease(name), worker.run)
                self._served[name] = _Served(plan, worker, election)
                await election.start()

    # --- routing -----------------------------------------------------------------------------------------------------

    def _on_backend(self, change: Change[Backend]) -> None:
        before, after = change.before, change.after
        key = key_of(change.object)
        if before is None or after is None or _matters(before) != _matters(after):
            self._changes.set()
            if before is None or after is None:
                self._controller.look_again()
            self._controller.enqueue(key, Priority.CHANGE)
            self._reroute.set()
            self._to_worker(key.name, key, Priority.CHANGE)

    async def _reroute_forever(self) -> None:
        """A Backend that came, went or became the default may be the one that others were waiting for."""
        while True:
            await self._reroute.wait()
            self._reroute.clear()
            everything: list[Volume | Attachment] = [*self.view.volumes, *self.view.attachments]
            async for item in in_turns(everything):
                self._enqueue(item, Priority.RESYNC)

    def _on_volume(self, change: Change[Volume]) -> None:
        volume = change.object
        self._enqueue(volume, Priority.DETACH if volume.deleting else Priority.CHANGE)
        # Whoever waits for this volume, or holds it, may have something to do now.
        for attachment in self.view.attachments_of_volume.get((volume.metadata.namespace, volume.metadata.name)):
            self._enqueue(attachment, Priority.CHANGE)
        if change.after is None and (name := volume.status.backend_name) is not None:
            self._to_worker(name, Key("Backend", "", name), Priority.RESYNC)
            if self.view.backends.get(name) is None:
                self._changes.set()

    def _on_attachment(self, change: Change[Attachment]) -> None:
        attachment = change.object
        self._enqueue(attachment, Priority.DETACH if attachment.deleting else Priority.CHANGE)
        if change.after is None:
            meta = attachment.metadata
            volume = self.view.volumes.get(attachment.spec.volume_name, meta.namespace)
            # It may have been torn out of the API server past our finalizer: the ledger then still names it.
            if volume is not None and any(h.uid == meta.uid for h in volume.status.attachments):
                self._enqueue(volume, Priority.DETACH)

    def _on_node(self, change: Change[NodeConnector] | Change[Node]) -> None:
        for attachment in self.view.attachments_of_node.get(change.object.metadata.name):
            self._enqueue(attachment, Priority.CHANGE)

    def _enqueue(self, item: Volume | Attachment, priority: Priority) -> None:
        (backend, concerns_controller), key = self.view.place(item), key_of(item)
        if backend is not None:
            self._to_worker(backend, key, priority)
        if concerns_controller:
            self._controller.enqueue(key, priority)

    def _to_worker(self, backend: str, key: Key, priority: Priority) -> None:
        served = self._served.get(backend)
        if served is not None:
            served.worker.enqueue(key, priority)


def _matters(backend: Backend) -> tuple[object, ...]:
    """What of a Backend decides who looks after its objects, and how."""
    return backend.spec, backend.deleting, backend.status.selective


def _measured(plan: Plan) -> MeasuredDriver:
    return MeasuredDriver(plan.make(), backend=plan.backend)
