"""The sweep: compares all that a Backend exports with the Attachments, both ways, and looks whether volumes are whole.

However much that is, other tasks get their turns meanwhile.
"""

import asyncio
import logging
from itertools import chain

from fairlead_crds.conditions import ADMITTED, is_true
from fairlead_crds.kinds import Attachment, Volume
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS
from fairlead_kube.turns import in_turns
from fairlead_operator.drivers.base import Listing
from fairlead_operator.metrics import ORPHANS, SWEEPS
from fairlead_operator.queue import Priority
from fairlead_operator.shard import backend_label, not_of
from fairlead_operator.tenure import EFFECT_TIMEOUT, Service, state_of
from fairlead_operator.view import Key, View, key_of
from fairlead_telemetry.correlation import bound
from fairlead_telemetry.tracing import span

_log = logging.getLogger(__name__)


class Sweeper:
    """Sweeps one Backend, in whichever tenure.

    Attributes:
        foreign: names of exports that are not ours, as the last sweep saw them.
    """

    def __init__(self, *, backend: str, client: KubeClient, view: View) -> None:
        self._backend = backend
        self._client = client
        self._view = view
        self.foreign: tuple[str, ...] = ()
        # There from the start: an increase can only be seen from a value that was there before.
        ORPHANS.labels(backend)

    async def sweep(self, service: Service) -> None:
        """Compare, remove what nobody owns, queue what differs.

        Raises:
            DriverError, TimeoutError: the backend does not answer as it should.
            KubeError: the API server does not.
        """
        outcome = "failed"
        try:
            with bound(backend=self._backend), span("sweep", fairlead__backend=self._backend):
                await self._compare(service)
                await self._look_for_lost(service)
                await self._look_for_unseen(service)
            outcome = "done"
        finally:
            SWEEPS.labels(self._backend, outcome).inc()

    async def _compare(self, service: Service) -> None:
        """What no Attachment owns is removed only after a live list says so: the view may be old, and the exports were
        read before that list, so whoever made one had its Attachment by then.
        """
        book = service.book
        mark = book.mark()
        async with asyncio.timeout(EFFECT_TIMEOUT):
            listing = await service.driver.list_exports()
        foreign = tuple(sorted(listing.foreign))
        if foreign != self.foreign:
            self.foreign = foreign
            service.queue.add(Key("Backend", "", self._backend), Priority.CHANGE)
        orphans = await self._orphans(listing)
        for handle in orphans:
            await self._remove_orphan(service, handle)
        gone = (handle for handle in book if handle not in listing.ours)
        async for handle in in_turns(chain(listing.ours, gone)):
            if handle not in orphans and book.learn(handle, state_of(listing.ours.get(handle)), mark):
                # At the beginning of a tenure that is every one, and whoever waits for an attach goes first.
                for attachment in self._view.attachments_by_handle.get(handle):
                    service.queue.add(key_of(attachment), Priority.RESYNC)
        book.settle(mark)

    async def _orphans(self, listing: Listing) -> set[str]:
        unowned = {
            handle async for handle in in_turns(listing.ours) if not self._view.attachments_by_handle.get(handle)
        }
        if not unowned:
            return unowned
        # Also those without a label: who tore it off has not cut off the node.
        others = {backend.metadata.name for backend in self._view.backends} - {self._backend}
        live = await self._client.list(
            ATTACHMENTS, label_selector=not_of(others), known=self._view.attachments.in_version
        )
        async for attachment in in_turns(live.items):
            self._view.take(attachment)
        return unowned - {attachment.handle for attachment in live.items}

    async def _remove_orphan(self, service: Service, handle: str) -> None:
        service.assert_lease()
        _log.warning("%s: removing export %s, which no Attachment owns", self._backend, handle)
        async with asyncio.timeout(EFFECT_TIMEOUT):
            await service.driver.remove_export(handle)
        service.book.record(handle, None)
        ORPHANS.labels(self._backend).inc()

    async def _look_for_lost(self, service: Service) -> None:
        """Find volumes whose data are missing or cut short."""
        made: dict[str, Volume] = {}
        async for volume in in_turns(self._view.volumes):
            ours = backend_label(volume) == self._backend
            if ours and volume.status.capacity is not None and not volume.deleting:
                made[volume.handle] = volume
        sizes = await service.driver.volume_sizes(list(made))
        lost: set[str] = set()
        async for handle, volume in in_turns(made.items()):
            size = sizes.get(handle)
            if size is None or size < (volume.status.capacity or 0):
                lost.add(handle)
        changed = lost ^ service.lost
        service.lost = lost
        for handle in changed:
            for volume in self._view.volumes_by_handle.get(handle):
                service.queue.add(key_of(volume), Priority.CHANGE)

    async def _look_for_unseen(self, service: Service) -> None:
        """Find who has to do with what is out of sight: what lost its label goes, and no watch tells of it."""
        view = self._view
        async for volume in in_turns(view.volumes):
            holders = volume.status.attachments
            if holders and not all(view.attachments_by_uid.get(holder.uid) for holder in holders):
                self._look_again(service, volume)
        async for attachment in in_turns(view.attachments):
            seen = view.volumes.get(attachment.spec.volume_name, attachment.metadata.namespace) is not None
            if not seen and is_true(attachment.status.conditions, ADMITTED):
                self._look_again(service, attachment)

    def _look_again(self, service: Service, item: Volume | Attachment) -> None:
        if backend_label(item) == self._backend:
            service.queue.add(key_of(item), Priority.RESYNC)
