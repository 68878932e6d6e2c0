"""Serves one Backend during one tenure of its Lease: take over, sweep, then act."""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from fairlead_crds.conditions import READY, Reason
from fairlead_crds.credentials import KeyRing
from fairlead_crds.kinds import Attachment, Backend, BackendStatus, Capacity, UnknownExports, Volume
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, VOLUMES
from fairlead_kube.errors import Conflict, KubeError, NotFound
from fairlead_operator.attachments import AttachmentReconciler
from fairlead_operator.core import status
from fairlead_operator.drivers.base import Driver, DriverError, DriverUnavailable, Fenced, Stats
from fairlead_operator.events import Recorder
from fairlead_operator.faultpoints import faultpoint
from fairlead_operator.keys import backend_keys
from fairlead_operator.lease import LostLease, Tenure
from fairlead_operator.lister import PAUSE, Lister
from fairlead_operator.queue import Again, Priority, WorkQueue
from fairlead_operator.resync import enqueue_all
from fairlead_operator.settings import Settings
from fairlead_operator.shard import Shard, backend_label
from fairlead_operator.sweep import Sweeper
from fairlead_operator.tenure import EFFECT_TIMEOUT, Service
from fairlead_operator.trail import a_pass
from fairlead_operator.view import Key, View
from fairlead_operator.volumes import VolumeReconciler
from fairlead_operator.writes import Writer
from fairlead_telemetry.event_loop import look_at_everything_again

_log = logging.getLogger(__name__)

_PULSE = 0.2
"""Seconds between looks at the daemon's generation; a look costs no call."""

_CHECK_EVERY = 5.0
_LEASE_PAUSE = 0.5
_START_AGAIN = 2.0
_CAPACITY_STEP = 0.01
"""Share of the total by which free capacity must change before it is worth a write."""
_NOTHING_EXPORTED = "its driver writes down what it should export and exports nothing: for drills only"


class BackendWorker:
    """Everything that one process does for one Backend. `run` is one tenure; keys may come at any time."""

    def __init__(
        self,
        *,
        backend: str,
        make_driver: Callable[[], Driver],
        client: KubeClient,
        view: View,
        lister: Lister,
        writer: Writer,
        recorder: Recorder,
        settings: Settings,
    ) -> None:
        self.backend = backend
        self._make_driver = make_driver
        self._client = client
        self._view = view
        self._lister = lister
        self._writer = writer
        self._recorder = recorder
        self._settings = settings
        self.service: Service | None = None
        self._compared_in = 0.0
        self._sweeper = Sweeper(backend=backend, client=client, view=view)

    def enqueue(self, key: Key, priority: Priority) -> None:
        """Ask for a pass over an object, if this process serves the Backend at present."""
        if self.service is not None:
            self.service.queue.add(key, priority)

    @property
    def foreign_exports(self) -> int:
        """How many exports are not ours, as the last sweep saw them."""
        return len(self._sweeper.foreign)

    async def run(self, tenure: Tenure) -> None:
        """Serve until cancelled. Raises when it cannot go on, so that another may try."""
        driver = self._make_driver()
        queue: WorkQueue[Key] = WorkQueue(self.backend)
        service = Service(
            backend=self.backend,
            tenure=tenure,
            driver=driver,
            keys=await self._keys(),
            client=self._client,
            view=self._view,
            writer=self._writer,
            recorder=self._recorder,
            queue=queue,
            patience=timedelta(seconds=self._settings.patience),
        )
        attachments, volumes = AttachmentReconciler(service), VolumeReconciler(service)

        async def handle(key: Key) -> None:
            with a_pass(key, self._view.known(key), self.backend):
                await look_at(key)

        async def look_at(key: Key) -> None:
            try:
                if key.kind == "Attachment":
                    await attachments.reconcile(key)
                elif key.kind == "Volume":
                    await volumes.reconcile(key)
                else:
                    await self._reconcile_backend(service)
            except LostLease:
                # Perhaps for a moment only: a renewal that comes late, and before anybody took the Lease, goes on with
                # the same tenure, and nobody would look at this key again.
                _log.warning("%s: %s left alone: the Lease is lost", self.backend, key)
                raise Again(_LEASE_PAUSE) from None
            except (Conflict, NotFound) as error:
                raise Again from error
            except KubeError as error:
                _log.warning("%s: %s: %s", self.backend, key, error)
                raise Again from error

        try:
            await self._take_over(service)
            # From here the watch's keys are taken; before, they would be decided on a view that may be old.
            self.service = service
            async with asyncio.TaskGroup() as group:
                group.create_task(self._enqueue_all(service))
                group.create_task(queue.run(handle, workers=self._settings.concurrency))
                group.create_task(self._keep(service))
        finally:
            self.service = None
            await driver.stop()
            look_at_everything_again()

    async def _keys(self) -> KeyRing:
        while True:
            try:
                return await backend_keys(self._client, self.backend, self._settings.system_namespace)
            except KubeError as error:
                _log.warning("%s: key: %s", self.backend, error)
                await asyncio.sleep(_START_AGAIN)

    # --- taking over -------------------------------------------------------------------------------------------------

    async def _take_over(self, service: Service) -> None:
        """Fence earlier holders, learn what is, clear what nobody owns. Only then may anything be decided."""
        await faultpoint("takeover.before-fence")
        service.unready = await self._bring_up(service)
        while True:
            began = time.thread_time()
            try:
                await self._lister.catch_up()
                break
            except KubeError as error:
                _log.warning("%s: list: %s", self.backend, error)
                await asyncio.sleep(0.5)
        if service.unready is None:
            try:
                await self._sweeper.sweep(service)
            except (DriverError, TimeoutError) as error:
                service.unready = str(error) or f"no answer within {EFFECT_TIMEOUT:.0f} s"
        self._compared_in = max(self._lister.seconds, time.thread_time() - began)

    async def _bring_up(self, service: Service) -> str | None:
        """Begin our epoch; return why the backend cannot be used (None: it can)."""
        service.assert_lease()
        try:
            await service.driver.start()
            await service.driver.fence(service.tenure.epoch)
            await service.driver.check()
        except DriverError as error:
            _log.warning("%s: not ready: %s", self.backend, error)
            return str(error)
        return None

    async def _enqueue_all(self, service: Service) -> None:
        service.queue.add(Key("Backend", "", self.backend), Priority.CHANGE)
        await enqueue_all(service.queue, self._view)

    # --- staying in charge -------------------------------------------------------------------------------------------

    async def _keep(self, service: Service) -> None:
        """Notice a daemon that restarted or failed, compare everything now and then, and say how the Backend is."""
        loop = asyncio.get_running_loop()
        generation = service.driver.generation
        checked = swept = loop.time()
        failures = 0
        while True:
            await asyncio.sleep(_PULSE)
            now = loop.time()
            try:
                if service.unready is not None and now - checked >= _START_AGAIN:
                    checked = now
                    await self._recover(service)
                    generation, swept = service.driver.generation, loop.time()
                elif service.driver.generation != generation:
                    _log.warning("%s: the daemon was restarted; exporting again", self.backend)
                    latest = service.driver.generation
                    await self._sweeper.sweep(service)
                    generation, swept = latest, loop.time()
                elif now - swept >= max(self._settings.sweep_interval, PAUSE * self._compared_in):
                    began = time.thread_time()
                    await self._lister.list()
                    await self._look_for_keys(service)
                    await self._sweeper.sweep(service)
                    swept, self._compared_in = loop.time(), time.thread_time() - began
                elif now - checked >= _CHECK_EVERY:
                    checked = now
                    await service.driver.check()
                    service.queue.add(Key("Backend", "", self.backend), Priority.RESYNC)
                failures = 0
            except Fenced:
                _log.warning("%s: fenced by another holder", self.backend)
                raise
            except (DriverError, TimeoutError) as error:
                failures += 1
                if failures >= 2 and service.unready is None:
                    service.unready = str(error) or f"no answer within {EFFECT_TIMEOUT:.0f} s"
                    service.queue.add(Key("Backend", "", self.backend), Priority.CHANGE)
            except KubeError as error:
                _log.warning("%s: %s", self.backend, error)

    async def _look_for_keys(self, service: Service) -> None:
        """Take in a key that was rotated; what is exported keeps the one its status names."""
        keys = await backend_keys(self._client, self.backend, self._settings.system_namespace)
        if keys.current != service.keys.current:
            _log.info("%s: key %s from now on", self.backend, keys.current)
            service.queue.add(Key("Backend", "", self.backend), Priority.CHANGE)
        service.keys = keys

    async def _recover(self, service: Service) -> None:
        trouble = await self._bring_up(service)
        if trouble is None:
            # Not before: passes go on meanwhile, and until the sweep an export that nobody knows of may be live.
            await self._sweeper.sweep(service)
        service.unready = trouble
        service.queue.add(Key("Backend", "", self.backend), Priority.CHANGE)
        if trouble is None:
            await self._enqueue_all(service)

    # --- the Backend's own status ------------------------------------------------------------------------------------

    async def _reconcile_backend(self, service: Service) -> None:
        backend = self._view.backends.get(self.backend)
        if backend is None:
            return
        volumes, attachments = self._view.users_of(self.backend)
        if backend.deleting and not volumes and not attachments:
            if backend.guarded and not await self._used():
                await self._writer.finalize(backend)
            return
        if not backend.guarded and not backend.deleting:
            backend = await self._writer.guard(backend)
        stats = await self._stats(service)
        users = f"{volumes} Volumes and {attachments} Attachments" if backend.deleting else None
        wanted = self._backend_status(service, backend, stats, users)
        if wanted != backend.status:
            written = await self._writer.status(backend, wanted)
            if service.unready is not None:
                self._recorder.warn(written, Reason.DRIVER_UNAVAILABLE, service.unready, "Serve")
            elif service.driver.capabilities.exports_nothing:
                self._recorder.warn(written, Reason.NOTHING_EXPORTED, _NOTHING_EXPORTED, "Serve")

    async def _used(self) -> bool:
        """Ask live whether anything is ours: whoever put our label on may have been quicker than the watch."""
        selector = Shard((self.backend,)).selector
        volumes = await self._client.list(VOLUMES, label_selector=selector)
        attachments = await self._client.list(ATTACHMENTS, label_selector=selector)
        found: list[Volume | Attachment] = [*volumes.items, *attachments.items]
        for item in found:
            self._view.take(item)
        return any(map(self._is_ours, found))

    def _is_ours(self, item: Volume | Attachment) -> bool:
        return item.guarded and backend_label(item) == self.backend

    async def _stats(self, service: Service) -> Stats | None:
        if service.unready is not None:
            return None
        try:
            return await service.driver.stats()
        except DriverUnavailable:
            return None

    def _backend_status(
        self, service: Service, backend: Backend, stats: Stats | None, users: str | None
    ) -> BackendStatus:
        before, capabilities = backend.status, service.driver.capabilities
        generation, now = backend.metadata.generation, datetime.now(UTC)
        if users is not None:
            holds, reason = service.unready is None, Reason.HELD
            message = f"is being deleted and waits for {users}, which stay served; delete those first"
        elif service.unready is None and capabilities.exports_nothing:
            holds, reason, message = True, Reason.NOTHING_EXPORTED, _NOTHING_EXPORTED
        elif service.unready is None:
            holds, reason, message = True, Reason.SERVING, f"driver {backend.spec.driver} is at work"
        else:
            holds, reason, message = False, Reason.DRIVER_UNAVAILABLE, service.unready
        ready = status.condition(before.conditions, READY, holds, reason, message, generation=generation, now=now)
        capacity = before.capacity
        if stats is not None and (
            capacity is None
            or capacity.total != stats.total
            or abs(capacity.free - stats.free) > _CAPACITY_STEP * stats.total
        ):
            capacity = Capacity(total=stats.total, free=stats.free)
        found = self._sweeper.foreign
        foreign = UnknownExports(count=len(found), names=found[:16]) if found else None
        return before.model_copy(
            update={
                "observed_generation": generation,
                "conditions": (ready, *(c for c in before.conditions if c.type != READY)),
                "capacity": capacity,
                "protocol": capabilities.protocol,
                "multi_attach": capabilities.multi_attach,
                "holder": self._settings.identity,
                "selective": self._view.shard.selective,
                "key_id": service.keys.current,
                "unknown_exports": foreign,
            }
        )
