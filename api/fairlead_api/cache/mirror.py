"""The mirror: stores of the kinds the facade serves, kept equal to the API server, with indexes."""

import asyncio
import time
from collections.abc import Hashable, Mapping, Sized
from typing import Any, Final

from fairlead_api.cache.ordering import Ordering
from fairlead_api.identity.projects import NAMESPACES, Namespace
from fairlead_crds import names
from fairlead_crds.kinds import Attachment, Backend, Resource, Volume
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, BACKENDS, VOLUMES
from fairlead_kube.reflector import Reflector
from fairlead_kube.store import Store

STALE_AFTER: Final = 180.0
"""Seconds without a word from a watch, bookmarks included, after which this replica calls itself unhealthy. The API
server sends bookmarks about once a minute."""


def labelled_id(item: Resource[Any, Any]) -> str | None:
    """The id REST knows an object by. Until the operator has stamped a kubectl-made object it has none."""
    return item.metadata.labels.get(names.LABEL_ID)


def _by_id(item: Resource[Any, Any]) -> Hashable | None:
    return labelled_id(item)


def _by_volume(item: Attachment) -> Hashable | None:
    return item.metadata.namespace, item.spec.volume_name


class Mirror:
    """What this replica knows."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.volumes: Store[Volume] = Store()
        self.attachments: Store[Attachment] = Store()
        self.backends: Store[Backend] = Store()
        self.namespaces: Store[Namespace] = Store()
        self.volumes_by_id = self.volumes.index(_by_id)
        self.attachments_by_id = self.attachments.index(_by_id)
        self._attachments_by_volume = self.attachments.index(_by_volume)
        self.volumes_in_order = Ordering(self.volumes)
        self.attachments_in_order = Ordering(self.attachments)
        self.ended = False
        namespaces = client.namespaces or ("",)
        self._reflectors: tuple[Reflector[Any], ...] = (
            *(Reflector(client, VOLUMES, self.volumes, namespace=each) for each in namespaces),
            *(Reflector(client, ATTACHMENTS, self.attachments, namespace=each) for each in namespaces),
            Reflector(client, BACKENDS, self.backends),
            Reflector(client, NAMESPACES, self.namespaces),
        )

    def attachments_of(self, volume: Volume) -> list[Attachment]:
        """Return the attachments of a volume, admitted or not."""
        return self._attachments_by_volume.get((volume.metadata.namespace, volume.metadata.name))

    def volume_of(self, attachment: Attachment) -> Volume | None:
        """Return the volume of an attachment."""
        return self.volumes.get(attachment.spec.volume_name, attachment.metadata.namespace)

    async def catch_up(self, volume: Volume) -> Volume:
        """Read a volume and its attachments live, ahead of the watch; return the volume as it is.

        Raises:
            NotFound: it is gone (fairlead_kube.errors).
        """
        name, namespace = volume.metadata.name, volume.metadata.namespace
        with self.attachments.listing():
            listing = await self._client.list(ATTACHMENTS, namespace, field_selector=f"spec.volumeName={name}")
            among = {attachment.metadata.uid for attachment in self.attachments_of(volume)}
            await self.attachments.replace(
                listing.items, listing.resource_version, among=lambda item: item.metadata.uid in among, lasting=False
            )
        newest = await self._client.get(VOLUMES, name, namespace)
        self.volumes.apply(newest)
        return newest

    async def run(self) -> None:
        """Mirror until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for reflector in self._reflectors:
                    group.create_task(reflector.run())
        finally:
            self.ended = True

    async def wait_synced(self) -> None:
        """Return when every kind has been listed once."""
        for reflector in self._reflectors:
            await reflector.synced.wait()

    @property
    def synced(self) -> bool:
        """Whether every kind has been listed once."""
        return all(reflector.synced.is_set() for reflector in self._reflectors)

    @property
    def age(self) -> float:
        """Seconds since the quietest watch was last heard of."""
        return max(reflector.age for reflector in self._reflectors)

    @property
    def last_heard(self) -> Mapping[str, float]:
        """When each resource's (quietest) watch was last heard of, in Unix time; 0: never."""
        now, ages = time.time(), dict[str, float]()
        for reflector in self._reflectors:
            ages[reflector.plural] = max(reflector.age, ages.get(reflector.plural, 0.0))
        return {plural: max(0.0, now - age) for plural, age in ages.items()}

    @property
    def counts(self) -> Mapping[str, int]:
        """How many objects of each resource are known."""
        stores: Mapping[str, Sized] = {
            VOLUMES.plural: self.volumes,
            ATTACHMENTS.plural: self.attachments,
            BACKENDS.plural: self.backends,
            NAMESPACES.plural: self.namespaces,
        }
        return {plural: len(store) for plural, store in stores.items()}
