"""Where kopf's watches begin: at lists that this process reads anyway.

kopf would list by itself what it watches, and make a task for each object of that. But a takeover has to list
everything anyway, after the fence, and so has a sweep. So kopf is told that lists are streamed, which makes one request
of its list and its watch; and that request goes out as a watch from the version of our newest list, made now if there
is none. Our lists also tell what is gone, which kopf's do not.
"""

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from fairlead_kube.endpoints import Endpoint
from fairlead_kube.errors import KubeError
from fairlead_operator.lister import WATCHED, Lister
from fairlead_operator.watch_check import WatchCheck

_log = logging.getLogger(__name__)

_FIRST: Final = {"sendInitialEvents", "resourceVersionMatch"}
"""Parameters of a watch that begins with a list; a watch that goes on has a resourceVersion instead."""

_COLLECTION: Final = re.compile(r"(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[^/]+)$")
_ENDPOINTS: Final = {endpoint.plural: endpoint for endpoint in WATCHED}

_TURN: Final = 0.05
_PATIENCE: Final = 60.0
"""Seconds until a takeover has to begin its list. Its driver may hang, and other Backends need the watches."""


class Beginnings:
    """Of the watches of one process.

    Args:
        lister: of the process.
        watch: what the watches owe.
        takes_over: whether a takeover is about to list everything.
    """

    def __init__(self, lister: Lister, watch: WatchCheck, takes_over: Callable[[], bool]) -> None:
        self._lister = lister
        self._watch = watch
        self._takes_over = takes_over
        self._used: dict[tuple[str, str], str] = {}
        self._reading: dict[str, asyncio.Task[str]] = {}

    async def stop(self) -> None:
        """Give up what is being read."""
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def find(self, endpoint: Endpoint[Any], namespace: str = "") -> str:
        """Return the version from which a watch may go on, of all namespaces or of that one.

        Raises:
            KubeError: the API server does not list.
        """
        late = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            listed = self._lister.version(endpoint)
            if listed is not None or not self._is_coming(late):
                break
            await asyncio.sleep(_TURN)
        # A watch that begins once more was too late for what it began with, or broke before it heard anything.
        if listed is None or listed == self._used.get((endpoint.plural, namespace)):
            listed = await self._read(endpoint)
        return listed

    async def _read(self, endpoint: Endpoint[Any]) -> str:
        # kopf gives a silent request up after a while and sends it again. What is being read serves that, too: reading
        # very many objects may always take longer.
        task = self._reading.get(endpoint.plural)
        if task is None or task.done():
            self._reading[endpoint.plural] = task = asyncio.create_task(self._lister.renew(endpoint))
        return await asyncio.shield(task)

    def _is_coming(self, late: float) -> bool:
        return self._lister.busy or (self._takes_over() and asyncio.get_running_loop().time() < late)

    def begun(self, endpoint: Endpoint[Any], namespace: str, version: str) -> None:
        """Take in that a watch goes on from that version."""
        _log.info("watch of %s%s: goes on from version %s", endpoint.plural, namespace and f" in {namespace}", version)
        self._used[endpoint.plural, namespace] = version
        self._watch.begun(endpoint.plural, namespace, int(version))

    async def send(self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        """Send a request of kopf's.

        Raises:
            aiohttp.ClientConnectionError: the API server did not list; kopf tries again.
        """
        if not _FIRST & request.url.query.keys():
            return await handler(request)
        endpoint, namespace = _watched(request.url.path)
        try:
            version = await self.find(endpoint, namespace)
        except KubeError as error:
            raise aiohttp.ClientConnectionError(str(error)) from error
        request.url = request.url.without_query_params(*_FIRST).update_query(resourceVersion=version)
        response = await handler(request)
        if response.ok:
            self.begun(endpoint, namespace, version)
        return response


def _watched(path: str) -> tuple[Endpoint[Any], str]:
    """Return the kind and the namespace (empty: all) whose collection has that path."""
    found = _COLLECTION.search(path)
    assert found is not None, path
    return _ENDPOINTS[found["plural"]], found["namespace"] or ""
