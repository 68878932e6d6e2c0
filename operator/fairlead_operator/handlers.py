"""kopf delivers: one event handler per kind, start and stop. Nothing is decided here.

`on.event` and nothing else: the change-detecting handlers would write to every object, retry by writing again, and
never wake a waiter when another object changed.
"""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory

from fairlead_crds import names
from fairlead_crds.kinds import KINDS, Attachment, Resource, Volume
from fairlead_kube.client import KubeClient
from fairlead_kube.node import Node
from fairlead_operator.faultpoints import faultpoint
from fairlead_operator.runtime import Runtime
from fairlead_operator.shard import Shard

NEVER_USED_FINALIZER = f"{names.GROUP}/not-used"
"""kopf removes the finalizer it is told of from objects that no handler of its needs it on; so it is told of this."""

_LOG_IN_AGAIN = 1.0
"""Seconds before another session, when the API server did not know us in the last one."""


class Pauses:
    """Seconds between the tries of one request of kopf's, without end.

    With a finite number of them kopf ends the process when the API server is away for longer than they last. There is
    nothing that a new process would do better, and whoever starts it waits longer each time.
    """

    def __iter__(self) -> Iterator[float]:
        return itertools.chain((0.2, 0.5, 1.0, 2.0), itertools.repeat(3.0))


class NothingToCompare(kopf.DiffBaseStorage):
    """kopf copies and compares each object at each event, for handlers of changes. There are none here."""

    def build(self, **_: Any) -> Any:
        """Keep nothing of an object."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Know nothing of its past."""
        return None

    def store(self, **_: Any) -> None:
        """Write nothing."""


class NothingInProgress(kopf.ProgressStorage):
    """kopf keeps in objects how far its handlers are, and looks for that at each event. Ours are done at once."""

    def fetch(self, **_: Any) -> Any:
        """Know nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Write nothing."""

    def purge(self, **_: Any) -> None:
        """Have nothing to remove."""

    def touch(self, **_: Any) -> None:
        """Write nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Have put nothing in."""
        return essence


class NothingToRemember(ResourceMemories):
    """kopf remembers some kilobytes of each object for handlers other than ours; with very many that is most of it."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """Begin each time anew."""
        return await super().recall(raw_body, **{**options, "ephemeral": True})


def make_settings(shard: Shard) -> kopf.OperatorSettings:
    """Turn off everything of kopf that writes or asks, bound what waits, and have the API server filter."""
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = NEVER_USED_FINALIZER
    settings.persistence.diffbase_storage = NothingToCompare()
    settings.persistence.progress_storage = NothingInProgress()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = True
    settings.networking.request_timeout = 15
    settings.networking.connect_timeout = 5
    settings.networking.error_backoffs = Pauses()
    settings.queueing.error_delays = (1, 2, 5)
    # kopf has a task for each object it has just told of, and of many changes their ends would pile up.
    settings.queueing.idle_timeout = 0.05
    settings.watching.reconnect_backoff = 0.2
    # Whether or not the API server can: the request that asks for it goes out as one that it can answer.
    settings.watching.initial_streaming = True
    settings.process.ultimate_exiting_timeout = 30
    if shard.selector:
        for model in (Volume, Attachment):
            settings.watching.label_selectors[names.GROUP, names.VERSION, model.plural] = shard.selector
    return settings


def make_registry(runtime: Runtime, client: KubeClient) -> kopf.OperatorRegistry:
    """Return the handlers that feed `runtime`. Two registries in one process do not know of each other."""
    registry = kopf.OperatorRegistry()
    logins = itertools.count()

    @kopf.on.login(registry=registry)
    async def login(**_: Any) -> kopf.AiohttpSession:
        if next(logins):
            await asyncio.sleep(_LOG_IN_AGAIN)
        return kopf.AiohttpSession(server=client.server, aiohttp_session=client.session(runtime.beginnings.send))

    @kopf.on.startup(registry=registry)
    async def start(**_: Any) -> None:
        await runtime.start()

    @kopf.on.cleanup(registry=registry)
    async def stop(**_: Any) -> None:
        await runtime.stop()

    for model in KINDS:
        _deliver(registry, (names.GROUP, names.VERSION, model.plural), model, runtime)
    _deliver(registry, ("", "v1", Node.plural), Node, runtime)
    return registry


def _deliver(
    registry: kopf.OperatorRegistry, place: tuple[str, str, str], model: type[Resource[Any, Any]], runtime: Runtime
) -> None:
    @kopf.on.event(*place, registry=registry, id=f"deliver-{model.plural}")
    async def deliver(event: Any, **_: Any) -> None:
        # At the start, and after a broken watch, kopf tells again what a list has told already.
        item = runtime.view.store_of(model).in_version(event["object"]) or model.read(event["object"])
        await faultpoint(f"watch.{model.plural}.{item.metadata.name}")
        if event["type"] == "DELETED":
            runtime.forget(item)
        else:
            runtime.deliver(item)
