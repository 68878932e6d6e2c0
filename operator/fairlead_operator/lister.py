"""Reads what there is, whole or what is new of it, and has the view take it as the truth.

A list that begins after a moment knows of everything up to it. So does a list from before that moment together with the
changes since, told by a watch of its own up to a version that a read from a quorum has shown after it: that is the same
to whoever has to know everything, and with very many objects it takes a second or two instead of a minute.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from fairlead_crds.kinds import Resource
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, BACKENDS, NODE_CONNECTORS, NODES, VOLUMES, Endpoint
from fairlead_kube.errors import Gone, KubeError
from fairlead_kube.store import everything
from fairlead_kube.watching import changes_until_now, read_all
from fairlead_operator.rounds import Rounds
from fairlead_operator.shard import strays
from fairlead_operator.view import View

_log = logging.getLogger(__name__)

_SHARDED: Final[tuple[Endpoint[Any], ...]] = (VOLUMES, ATTACHMENTS)
WATCHED: Final[tuple[Endpoint[Any], ...]] = (BACKENDS, NODE_CONNECTORS, NODES, *_SHARDED)
"""All that a process knows of, in the order in which it is read."""

PAUSE: Final = 20.0
"""That many times the processor time of reading everything, a sweep included, passes before the next: of very many
objects it is a lot. How long it lasted does not count: an API server that hung meanwhile must not put off the next."""

LONG: Final = 1.0
"""Seconds of processor time from which on reading a kind whole takes longer than hearing what is new of it."""


class Lister:
    """Of one process.

    Args:
        client: to ask with.
        view: that takes it in.
        long: see `LONG`.
    """

    def __init__(self, client: KubeClient, view: View, *, long: float = LONG) -> None:
        self._client = client
        self._view = view
        self.long = long
        self._lists: Rounds[None] = Rounds()
        self._catches: Rounds[None] = Rounds()
        self._versions: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self.listed_at = float("-inf")
        """When everything was last known as of then, in the event loop's time."""

    @property
    def seconds(self) -> float:
        """Of processor time, that it takes to read everything whole."""
        return sum(self._seconds.values())

    @property
    def busy(self) -> bool:
        """Whether everything is being read."""
        return self._lists.under_way or self._catches.under_way

    def version(self, endpoint: Endpoint[Any]) -> str | None:
        """As of which version all of a kind is known."""
        return self._versions.get(endpoint.plural)

    async def list(self) -> None:
        """Read everything live and whole: what a broken watch never told is repaired here.

        It begins after this call. Several Backends are taken over at once when an operator starts, and share it.

        Raises:
            KubeError: the API server does not answer, or does not allow it.
        """
        await self._lists.next(lambda: self._read(()))

    async def catch_up(self) -> None:
        """Know everything as of a moment after this call: as `list`, but of what takes long to read only what is new.

        Raises:
            KubeError: the API server does not answer, or does not allow it.
        """
        await self._catches.next(lambda: self._read([*filter(self._takes_long, WATCHED)]))

    async def keep_up(self) -> None:
        """Do beforehand what `catch_up` would have to do for long, so that the API server still knows what is new.

        Unlike that it can wait until the API server is itself again, instead of reading everything meanwhile.

        Raises:
            KubeError: the API server does not answer, or does not allow it.
        """
        for endpoint in filter(self._takes_long, WATCHED):
            await self._catch_up(endpoint, unless=Gone)

    async def list_kind(self, endpoint: Endpoint[Any]) -> str:
        """Read what the watch of a kind shows, live and whole, and return as of which version.

        Raises:
            KubeError: the API server does not answer, or does not allow it.
        """
        began = time.thread_time()
        store = self._view.store_at(endpoint)
        with store.listing():
            listing = await read_all(
                self._client, endpoint, label_selector=self._selector(endpoint), known=store.in_version
            )
            await store.replace(listing.items, listing.resource_version, among=self._shown)
        await self._view.watch.listed(listing.items)
        self._seconds[endpoint.plural] = time.thread_time() - began
        return self._known(endpoint, listing.resource_version)

    async def renew(self, endpoint: Endpoint[Any]) -> str:
        """Know all of a kind as of a version from which a watch can go on, and return that.

        Raises:
            KubeError: the API server does not answer, or does not allow it.
        """
        if not self._takes_long(endpoint):
            return await self.list_kind(endpoint)
        await self._catch_up(endpoint, unless=Gone)
        return self._versions[endpoint.plural]

    async def _read(self, slow: Sequence[Endpoint[Any]]) -> None:
        """Read everything whole, and of those kinds only what is new."""
        for endpoint in WATCHED:
            if endpoint not in slow:
                await self.list_kind(endpoint)
        await self._list_strays()
        for outcome in await asyncio.gather(*map(self._catch_up, slow), return_exceptions=True):
            if outcome is not None:
                raise outcome
        self.listed_at = asyncio.get_running_loop().time()

    async def _list_strays(self) -> None:
        """Read what carries the name of a Backend that there is not: the controller's, and no watch shows it."""
        if not self._view.shard.unlabelled:
            return
        selector = strays(backend.metadata.name for backend in self._view.backends)
        for endpoint in _SHARDED:
            store = self._view.store_at(endpoint)
            with store.listing():
                listing = await self._client.list(endpoint, label_selector=selector)
                await store.replace(
                    listing.items, listing.resource_version, among=lambda i: not self._shown(i), lasting=False
                )

    def _takes_long(self, endpoint: Endpoint[Any]) -> bool:
        # Of an API server without streamed lists, a list of nothing is not free either; of single namespaces each would
        # have a version of its own.
        able = self._client.streams_lists and not self._client.namespaces
        seconds = self._seconds.get(endpoint.plural)
        return bool(able) and seconds is not None and seconds > self.long

    async def _catch_up(self, endpoint: Endpoint[Any], *, unless: type[KubeError] = KubeError) -> None:
        try:
            await self._take_changes(endpoint, self._versions[endpoint.plural])
        except unless as error:
            _log.info("what is new of %s: %s; reading them all", endpoint.plural, error)
            await self.list_kind(endpoint)

    async def _take_changes(self, endpoint: Endpoint[Any], version: str) -> None:
        store, watch = self._view.store_at(endpoint), self._view.watch
        changes = changes_until_now(self._client, endpoint, version, label_selector=self._selector(endpoint))
        with store.listing():
            try:
                async for kind, body in changes:
                    if kind != "BOOKMARK":
                        item = store.in_version(body) or endpoint.parse(body)
                        store.take(kind, item)
                        watch.owed(item)
                    version = body["metadata"]["resourceVersion"]
            finally:
                # Changes come in order: however far it came, the next try goes on from there.
                store.speak_for(self._shown, int(version))
                self._known(endpoint, version)

    def _known(self, endpoint: Endpoint[Any], version: str) -> str:
        newest = max(version, self._versions.get(endpoint.plural, version), key=int)
        self._versions[endpoint.plural] = newest
        return newest

    def _selector(self, endpoint: Endpoint[Any]) -> str:
        return self._view.shard.selector if endpoint in _SHARDED else ""

    @property
    def _shown(self) -> Callable[[Resource[Any, Any]], bool]:
        """What of the view a watch shows. With a shard of Backends nothing else is kept."""
        return self._view.shard.has if self._view.shard.unlabelled else everything
