"""Watches, and lists that come as the beginning of one.

A streamed list (KEP-3157) comes from the API server's watch cache, object by object, and is as fresh as a read from a
quorum of etcd. A list in pages of very many objects costs the API server several times that.
"""

import contextlib
import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, TypeVar

import pydantic_core

from fairlead_crds.names import SYSTEM_NAMESPACE
from fairlead_kube.client import Known, KubeClient, Listing
from fairlead_kube.endpoints import BACKENDS, Endpoint
from fairlead_kube.errors import Invalid, Unavailable, from_status
from fairlead_kube.store import Key, key_in

T = TypeVar("T")

_log = logging.getLogger(__name__)

Event = tuple[str, Mapping[str, Any]]
"""Type (ADDED, MODIFIED, DELETED, BOOKMARK) and object."""

_SILENCE: Final = 90.0
"""Seconds without a byte after which a watch counts as dead; bookmarks come every minute."""

_BRIEFLY: Final = "3"
"""Seconds until the API server ends a watch. Two before that it sends a bookmark."""

_TRIES: Final = 5
_NOBODY: Final = "fairlead-nobody"

_INITIAL_END: Final = "k8s.io/initial-events-end"
_BOOKMARKS: Final = {"watch": "1", "allowWatchBookmarks": "true"}
_INITIAL_EVENTS: Final = {**_BOOKMARKS, "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}


async def watch(
    client: KubeClient, endpoint: Endpoint[Any], resource_version: str, namespace: str = "", *, label_selector: str = ""
) -> AsyncGenerator[Event]:
    """Yield each change after `resource_version`, bookmarks included, until the server ends it.

    Args:
        client: to ask with.
        endpoint: what to watch.
        resource_version: to go on from.
        namespace: empty for all.
        label_selector: filter by the server.

    Raises:
        Gone: the resource version is too old; list again.
        Unavailable: the connection broke or fell silent.
    """
    params = {**_BOOKMARKS, "resourceVersion": resource_version}
    async with contextlib.aclosing(_events(client, endpoint, namespace, params, label_selector)) as events:
        async for event in events:
            yield event


async def changes_until_now(
    client: KubeClient, endpoint: Endpoint[Any], resource_version: str, *, label_selector: str = ""
) -> AsyncGenerator[Event]:
    """Yield each change after `resource_version`, in order, up to a moment after this call; then end.

    That moment is a version that a read from a quorum shows. The last event, or bookmark, is of it or a later one.

    Raises:
        Gone: the resource version is too old; list.
        Unavailable: the connection broke, or the API server does not come to that moment.
    """
    now = await _now(client, endpoint)
    if int(resource_version) >= now:
        return
    for _ in range(_TRIES):
        params = {**_BOOKMARKS, "resourceVersion": resource_version, "timeoutSeconds": _BRIEFLY}
        async with contextlib.aclosing(_events(client, endpoint, "", params, label_selector)) as events:
            async for event in events:
                resource_version = event[1]["metadata"]["resourceVersion"]
                yield event
                if int(resource_version) >= now:
                    return
    raise Unavailable(0, "Unavailable", f"watch {endpoint.path()}: it does not come to version {now}")


async def _now(client: KubeClient, endpoint: Endpoint[Any]) -> int:
    """Return the newest version there is, by a list of one name that nothing has.

    Without a limit, so that the API server answers from its watch cache, as soon as that has come to this version.
    """
    params = {"fieldSelector": f"metadata.name={_NOBODY}"}
    answer = await client.request("GET", endpoint.path(SYSTEM_NAMESPACE), params=params)
    return int(answer["metadata"]["resourceVersion"])


async def read_all(
    client: KubeClient,
    endpoint: Endpoint[T],
    namespace: str = "",
    *,
    label_selector: str = "",
    known: Known[T] = lambda _: None,
) -> Listing[T]:
    """Read all objects as of one moment, no earlier than this call: `KubeClient.list` for what may be very many.

    They are streamed where the API server can do that (by default since Kubernetes 1.34), and listed in pages elsewhere
    and for a client that is held to namespaces.

    Beside a stream the API server keeps the changes of the meantime, a hundred or some more, and ends it when there are
    too many: of very many objects that change often, a reader in Python is never done. Pages wait for their reader.
    """
    came: dict[Key, tuple[str, T]] = {}
    if not (endpoint.namespaced and client.namespaces) and await streams_lists(client):
        try:
            came, version = await _stream(client, endpoint, namespace, label_selector, known)
        except Invalid:
            # Of several API servers, or in place of a newer one, an older one answered.
            client.streams_lists = None
        else:
            if version is not None:
                return Listing([item for _, item in came.values()], version)
            _log.info("list of %s: the API server ended it after %d; in pages", endpoint.plural, len(came))

    def known_or_came(body: Mapping[str, Any]) -> T | None:
        version, item = came.get(key_in(body), ("", None))
        return item if version == body["metadata"]["resourceVersion"] else known(body)

    return await client.list(endpoint, namespace, label_selector=label_selector, known=known_or_came)


async def streams_lists(client: KubeClient) -> bool:
    """Whether the API server can stream lists; asked once."""
    if client.streams_lists is None:
        try:
            # The first event is enough; without any object it is a bookmark.
            async with contextlib.aclosing(_events(client, BACKENDS, "", _INITIAL_EVENTS, "")) as events:
                await anext(events, None)
            client.streams_lists = True
        except Invalid:
            client.streams_lists = False
    return client.streams_lists


async def _stream(
    client: KubeClient,
    endpoint: Endpoint[T],
    namespace: str,
    label_selector: str,
    known: Known[T],
) -> tuple[dict[Key, tuple[str, T]], str | None]:
    """Return what came, with its versions, and as of which version that is all (None: it ended before)."""
    came: dict[Key, tuple[str, T]] = {}
    async with contextlib.aclosing(_events(client, endpoint, namespace, _INITIAL_EVENTS, label_selector)) as events:
        async for kind, body in events:
            version: str = body["metadata"]["resourceVersion"]
            if kind == "BOOKMARK":
                if body["metadata"].get("annotations", {}).get(_INITIAL_END) == "true":
                    return came, version
            # What changes meanwhile comes too, before the end.
            elif kind == "DELETED":
                came.pop(key_in(body), None)
            else:
                came[key_in(body)] = version, known(body) or endpoint.parse(body)
    return came, None


async def _events(
    client: KubeClient, endpoint: Endpoint[Any], namespace: str, params: Mapping[str, str], label_selector: str
) -> AsyncGenerator[Event]:
    more = {"labelSelector": label_selector} if label_selector else {}
    async with contextlib.aclosing(
        client.lines(endpoint.path(namespace), {**params, **more}, silence=_SILENCE)
    ) as lines:
        async for line in lines:
            event = pydantic_core.from_json(line)
            if event["type"] == "ERROR":
                raise from_status(int(event["object"].get("code", 500)), event["object"])
            yield event["type"], event["object"]
