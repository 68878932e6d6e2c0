"""The small controller for what belongs to no Backend: it says so in conditions, and hands over what finds one.

Where operators divide the Backends among them (see `shard`), it sees what carries no Backend's label, and puts that on.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from fairlead_crds.conditions import ADMITTED, EXPORTED, READY, Reason, find
from fairlead_crds.kinds import Attachment, AttachmentPhase, Backend, Volume, VolumePhase
from fairlead_crds.names import backend_lease
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import BACKENDS, LEASES
from fairlead_kube.errors import Conflict, KubeError, NotFound
from fairlead_kube.turns import in_turns
from fairlead_operator.adoption import Adoption
from fairlead_operator.core import status
from fairlead_operator.core.placement import Unplaced, place_attachment, place_volume
from fairlead_operator.lease import Tenure, is_held
from fairlead_operator.lister import PAUSE, Lister
from fairlead_operator.queue import Again, Priority, WorkQueue
from fairlead_operator.registry import Unusable, plan_for
from fairlead_operator.settings import Settings
from fairlead_operator.shard import backend_label
from fairlead_operator.view import Key, View, key_of
from fairlead_operator.writes import Writer

_log = logging.getLogger(__name__)

_HELD_PAUSE = 10.0
"""Seconds between looks at the Lease of a Backend that is gone from the API server and still served."""


class UnplacedController:
    """See the module. `run` is one tenure of the controller's Lease."""

    def __init__(self, client: KubeClient, view: View, lister: Lister, writer: Writer, settings: Settings) -> None:
        self._client = client
        self._view = view
        self._lister = lister
        self._writer = writer
        self._settings = settings
        self._adoption = Adoption(client, writer)
        self._queue: WorkQueue[Key] | None = None
        self._look = asyncio.Event()

    def enqueue(self, key: Key, priority: Priority) -> None:
        """Ask for a look at an object, if this process holds the controller's Lease at present."""
        if self._queue is not None:
            self._queue.add(key, priority)

    def look_again(self) -> None:
        """Take in that a Backend came or went: what carries its name may be ours now, or not any more."""
        self._look.set()

    async def run(self, tenure: Tenure) -> None:
        """Serve until cancelled."""
        del tenure  # nothing here reaches outside the API server, whose compare-and-swap is fence enough
        await self._relist(everything=self._view.shard.unlabelled)
        queue = self._queue = WorkQueue("controller")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(queue.run(self._handle, workers=4))
                group.create_task(self._resync(queue))
        finally:
            self._queue = None

    async def _relist(self, *, everything: bool) -> None:
        self._look.clear()
        while True:
            try:
                if everything:
                    await self._lister.list()
                else:
                    # The watch brings the rest. What is decided on too old a view is refused by compare-and-swap, and
                    # that a Volume is missing is asked for live; but without the Backends nothing would have a place.
                    await self._lister.list_kind(BACKENDS)
                return
            except KubeError as error:
                _log.warning("controller: list: %s", error)
                await asyncio.sleep(0.5)

    async def _resync(self, queue: WorkQueue[Key]) -> None:
        """Look at what may be ours, now and every now and then.

        With a part of the objects only, no watch tells of the rest. With all of them, one that broke has not told of
        the ends that it missed; where the process serves a Backend as well, that one's sweeps have found them.
        """
        while True:
            everything: list[Backend | Volume | Attachment] = [*self._view.backends]
            everything += [*self._view.volumes, *self._view.attachments]
            async for item in in_turns(everything):
                if isinstance(item, Backend) or self._view.place(item)[1]:
                    queue.add(key_of(item), Priority.RESYNC)
            await self._until_old()
            await self._relist(everything=True)

    async def _until_old(self) -> None:
        interval, loop = self._settings.sweep_interval, asyncio.get_running_loop()
        if self._view.shard.unlabelled:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval):
                    await self._look.wait()
            return
        began = loop.time()
        while True:
            due = max(began, self._lister.listed_at) + max(interval, PAUSE * self._lister.seconds)
            if loop.time() >= due:
                return
            await asyncio.sleep(due - loop.time())

    async def _handle(self, key: Key) -> None:
        try:
            try:
                await self._look_at(key)
            except (Conflict, NotFound):
                # Ours was an old version: read, and decide again.
                await self._view.refresh(self._client, key)
                raise Again from None
        except KubeError as error:
            _log.warning("controller: %s: %s", key, error)
            raise Again from error

    async def _look_at(self, key: Key) -> None:
        backends = self._view.backends_by_name()
        if key.kind == "Backend":
            if (backend := self._view.backends.get(key.name)) is not None:
                await self._look_at_backend(backend)
        elif key.kind == "Volume":
            if (volume := self._view.volumes.get(key.name, key.namespace)) is not None:
                await self._look_at_volume(volume, backends)
        elif (attachment := self._view.attachments.get(key.name, key.namespace)) is not None:
            await self._look_at_attachment(attachment, backends)

    async def _look_at_volume(self, volume: Volume, backends: Mapping[str, Backend]) -> None:
        place: str | Unplaced | None = place_volume(volume, backends)
        if isinstance(place, str):
            selective = backends[place].status.selective
            place = await self._adoption.volume(volume, backends[place]) if selective else None
        if place is not None and not await self._is_served(volume):
            await self._write_volume(volume, place)

    async def _look_at_attachment(self, attachment: Attachment, backends: Mapping[str, Backend]) -> None:
        namespace = attachment.metadata.namespace
        volume = await self._view.volume(self._client, attachment.spec.volume_name, namespace)
        place: str | Unplaced | None = place_attachment(attachment, volume, backends)
        if isinstance(place, str):
            selective = backends[place].status.selective
            place = await self._adoption.attachment(attachment, volume, backends[place]) if selective else None
        if place is None or await self._is_served(attachment):
            return
        written = await self._write_attachment(attachment, place)
        if self._queue is not None and self._view.shard.unlabelled and place.reason is Reason.VOLUME_NOT_FOUND:
            # The Volume may come with a label, and no watch of ours would tell. Longer waits are looked at less often.
            since = find(written.status.conditions, ADMITTED)
            waited = (datetime.now(UTC) - since.last_transition_time).total_seconds() if since is not None else 0.0
            self._queue.add_after(key_of(written), min(max(waited, 1.0), self._settings.sweep_interval))

    async def _is_served(self, item: Volume | Attachment) -> bool:
        """Whether the Backend whose label it carries is looked after, though we do not see that Backend.

        It may have come a moment ago. Or it was torn out of the API server in use: its operator goes on serving it, and
        what it says in conditions must not be denied here.
        """
        name = backend_label(item)
        if name is None or name in self._view.backends_by_name():
            return False
        with contextlib.suppress(NotFound):
            backend = await self._client.get(BACKENDS, name)
            self._view.take(backend)
            return True
        with contextlib.suppress(NotFound):
            lease = await self._client.get(LEASES, backend_lease(name), self._settings.system_namespace)
            if is_held(lease["spec"], datetime.now(UTC)):
                raise Again(_HELD_PAUSE)
        return False

    async def _look_at_backend(self, backend: Backend) -> None:
        plan = plan_for(backend)
        if not isinstance(plan, Unusable):
            return
        meta, before = backend.metadata, backend.status
        ready = status.condition(
            before.conditions,
            READY,
            False,
            plan.reason,
            plan.message,
            generation=meta.generation,
            now=datetime.now(UTC),
        )
        wanted = before.model_copy(update={"observed_generation": meta.generation, "conditions": (ready,)})
        if wanted != before:
            await self._writer.status(backend, wanted)

    async def _write_volume(self, volume: Volume, place: Unplaced) -> None:
        meta, before = volume.metadata, volume.status
        ready = status.condition(
            before.conditions,
            READY,
            False,
            place.reason,
            place.message,
            generation=meta.generation,
            now=datetime.now(UTC),
        )
        phase = VolumePhase.DELETING if volume.deleting else VolumePhase.PENDING
        others = tuple(c for c in before.conditions if c.type != READY)
        wanted = before.model_copy(
            update={"observed_generation": meta.generation, "conditions": (ready, *others), "phase": phase}
        )
        if wanted != before:
            await self._writer.status(volume, wanted)

    async def _write_attachment(self, attachment: Attachment, place: Unplaced) -> Attachment:
        before, now = attachment.status, datetime.now(UTC)
        # What was exported may still be: without its Backend nobody can tell.
        type_, holds = (EXPORTED, None) if attachment.guarded and before.handle else (ADMITTED, False)
        found = status.condition(
            before.conditions,
            type_,
            holds,
            place.reason,
            place.message,
            generation=attachment.metadata.generation,
            now=now,
        )
        others = tuple(c for c in before.conditions if c.type != type_)
        phase = AttachmentPhase.DETACHING if attachment.deleting else before.phase
        wanted = status.enter(attachment, phase, place.reason, now, conditions=(found, *others))
        return await self._writer.status(attachment, wanted) if wanted != before else attachment
