"""The small controller for what belongs to no Backend. Its only job is to say so in conditions."""

import asyncio
import logging
from datetime import UTC, datetime

from fairlead_crds.conditions import ADMITTED, EXPORTED, READY
from fairlead_crds.kinds import Attachment, AttachmentPhase, Backend, Volume, VolumePhase
from fairlead_kube.client import KubeClient
from fairlead_kube.errors import Conflict, KubeError, NotFound
from fairlead_operator.core import status
from fairlead_operator.core.placement import Unplaced, place_attachment, place_volume
from fairlead_operator.lease import Tenure
from fairlead_operator.queue import Again, Priority, WorkQueue
from fairlead_operator.registry import Unusable, plan_for
from fairlead_operator.view import Key, View
from fairlead_operator.writes import Writer

_log = logging.getLogger(__name__)


class UnplacedController:
    """See the module. `run` is one tenure of the controller's Lease."""

    def __init__(self, *, client: KubeClient, view: View, writer: Writer) -> None:
        self._client = client
        self._view = view
        self._writer = writer
        self._queue: WorkQueue[Key] | None = None

    def enqueue(self, key: Key, priority: Priority) -> None:
        """Ask for a look at an object, if this process holds the controller's Lease at present."""
        if self._queue is not None:
            self._queue.add(key, priority)

    async def run(self, tenure: Tenure) -> None:
        """Serve until cancelled."""
        del tenure  # nothing here reaches outside the API server, whose compare-and-swap is fence enough
        while True:
            try:
                await self._view.relist(self._client)
                break
            except KubeError as error:
                _log.warning("controller: list: %s", error)
                await asyncio.sleep(0.5)
        queue = self._queue = WorkQueue("controller")
        for key in self._view.everything():
            queue.add(key, Priority.RESYNC)
        try:
            await queue.run(self._handle, workers=4)
        finally:
            self._queue = None

    async def _handle(self, key: Key) -> None:
        try:
            await self._look_at(key)
        except (Conflict, NotFound) as error:
            await self._view.refresh(self._client, key)
            raise Again from error
        except KubeError as error:
            _log.warning("controller: %s: %s", key, error)
            raise Again from error

    async def _look_at(self, key: Key) -> None:
        backends = self._view.backends_by_name()
        if key.kind == "Backend":
            if (backend := self._view.backends.get(key.name)) is not None:
                await self._look_at_backend(backend)
        elif key.kind == "Volume":
            volume = self._view.volumes.get(key.name, key.namespace)
            if volume is not None and isinstance(place := place_volume(volume, backends), Unplaced):
                await self._write_volume(volume, place)
        else:
            attachment = self._view.attachments.get(key.name, key.namespace)
            if attachment is None:
                return
            volume = await self._view.volume(self._client, attachment.spec.volume_name, key.namespace)
            if isinstance(place := place_attachment(attachment, volume, backends), Unplaced):
                await self._write_attachment(attachment, place)

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

    async def _write_attachment(self, attachment: Attachment, place: Unplaced) -> None:
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
        if wanted != before:
            await self._writer.status(attachment, wanted)
