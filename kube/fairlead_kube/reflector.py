"""Keeps a store equal to the API server by one list and then a watch, for as long as it runs."""

import asyncio
import logging
import time
from typing import Any, Generic, TypeVar

from fairlead_crds.kinds import Resource
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import Endpoint
from fairlead_kube.errors import Forbidden, Gone, KubeError
from fairlead_kube.store import Store
from fairlead_kube.watching import read_all, watch

R = TypeVar("R", bound=Resource[Any, Any])

_log = logging.getLogger(__name__)
_LONGEST_BACKOFF = 5.0


class Reflector(Generic[R]):
    """Mirrors one kind, in one namespace or (empty) in all, into a store."""

    def __init__(
        self,
        client: KubeClient,
        endpoint: Endpoint[R],
        store: Store[R],
        *,
        namespace: str = "",
        label_selector: str = "",
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._store = store
        self._namespace = namespace
        self._selector = label_selector
        self._heard = 0.0
        self.plural = endpoint.plural
        self.synced = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since the API server last told us anything, a bookmark at least."""
        return time.monotonic() - self._heard if self._heard else float("inf")

    async def run(self) -> None:
        """Mirror until cancelled; every failure is retried, with a growing pause."""
        backoff = 0.1
        version = ""
        while True:
            try:
                if not version:
                    version = await self._list()
                changes = watch(self._client, self._endpoint, version, self._namespace, label_selector=self._selector)
                async for kind, body in changes:
                    version = body["metadata"]["resourceVersion"]
                    self._heard = time.monotonic()
                    backoff = 0.1
                    if kind != "BOOKMARK":
                        self._store.take(kind, self._endpoint.parse(body))
                # The server ends a watch after some minutes; go on from where it was.
                backoff = 0.1
            except Gone:
                version = ""
            except KubeError as error:
                if isinstance(error, Forbidden):
                    # The namespace may be gone, and our rights with it; a list tells.
                    version = ""
                _log.warning("watch of %s: %s; again in %.1f s", self._endpoint.plural, error, backoff)
                await asyncio.sleep(backoff)
                backoff = min(backoff * 2, _LONGEST_BACKOFF)

    async def _list(self) -> str:
        with self._store.listing():
            listing = await read_all(
                self._client,
                self._endpoint,
                self._namespace,
                label_selector=self._selector,
                known=self._store.in_version,
            )
            await self._store.replace(listing.items, listing.resource_version, among=self._mirrors)
        self._heard = time.monotonic()
        self.synced.set()
        return listing.resource_version

    def _mirrors(self, item: R) -> bool:
        return self._namespace in ("", item.metadata.namespace)
