"""Where kopf's watches begin: at which list, and what of kopf's requests is changed for that."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, VOLUMES
from fairlead_kube.errors import Unavailable
from fairlead_operator.beginnings import Beginnings
from fairlead_operator.handlers import make_settings
from fairlead_operator.lister import Lister
from fairlead_operator.shard import Shard
from fairlead_operator.view import View
from unit.model.virtual_time import VirtualTimeLoop, run

LATE = 1000.0
"""Seconds after which nobody waits for a takeover any more."""

KOPF_S_PATIENCE = make_settings(Shard()).watching.inactivity_timeout


class _Client(KubeClient):
    """Lists nothing, as of version 10, then 20, and so on."""

    streams_lists = False

    def __init__(self) -> None:
        self.lists: list[str] = []
        self.answers = True

    async def request(self, _: str, path: str, **__: Any) -> Any:
        if not self.answers:
            raise Unavailable(503, "ServiceUnavailable", "no")
        self.lists.append(path.rpartition("/")[2])
        return {"items": [], "metadata": {"resourceVersion": str(10 * len(self.lists))}}


class Watcher:
    """Of one process, which takes a Backend over or stands by."""

    def __init__(self, *, takes_over: bool = False) -> None:
        self.client = _Client()
        self.view = View()
        self.takes_over = takes_over
        self.lister = Lister(self.client, self.view)
        self.beginnings = Beginnings(self.lister, self.view.watch, lambda: self.takes_over)

    async def begin(self, namespace: str = "") -> str:
        """Have the watch of Volumes begin."""
        version = await self.beginnings.find(VOLUMES, namespace)
        self.beginnings.begun(VOLUMES, namespace, version)
        return version


def test_a_standby_lists_at_once() -> None:
    watcher = Watcher()
    assert run(watcher.begin()) == "10"
    assert watcher.client.lists == ["volumes"]


def test_a_takeover_s_list_is_waited_for_and_serves() -> None:
    async def life() -> None:
        watcher = Watcher(takes_over=True)
        begun = asyncio.create_task(watcher.begin())
        await asyncio.sleep(5)
        assert not begun.done()
        await watcher.lister.list()
        assert await begun == watcher.lister.version(VOLUMES)
        assert watcher.client.lists.count("volumes") == 1

    run(life())


@pytest.mark.parametrize("ends", [True, False], ids=["it is lost", "its driver hangs"])
def test_a_takeover_that_does_not_list_is_not_waited_for_without_end(ends: bool) -> None:
    watcher, loop = Watcher(takes_over=True), VirtualTimeLoop()
    begun = loop.create_task(watcher.begin())
    loop.advance(5)
    assert not begun.done()
    watcher.takes_over = not ends
    loop.advance(1 if ends else LATE)
    assert begun.result() == "10"
    loop.finish()


def test_a_list_under_way_is_waited_for_however_long_it_takes() -> None:
    watcher, loop = Watcher(takes_over=True), VirtualTimeLoop()
    may_end = asyncio.Event()
    ask = watcher.client.request

    async def slowly(method: str, path: str, **options: Any) -> Any:
        await may_end.wait()
        return await ask(method, path, **options)

    watcher.client.request = slowly  # type: ignore[method-assign]
    tasks = [loop.create_task(work) for work in (watcher.lister.list(), watcher.begin())]
    loop.advance(LATE)
    may_end.set()
    loop.advance(1)
    assert all(task.done() for task in tasks)
    assert watcher.client.lists.count("volumes") == 1
    loop.finish()


def test_a_list_that_outlasts_kopf_s_patience_is_made_once_and_serves() -> None:
    """kopf ends a request that stays silent for long, and sends it again at once."""
    watcher, loop = Watcher(), VirtualTimeLoop()
    may_end = asyncio.Event()
    ask = watcher.client.request

    async def slowly(method: str, path: str, **options: Any) -> Any:
        answer = await ask(method, path, **options)
        await may_end.wait()
        return answer

    watcher.client.request = slowly  # type: ignore[method-assign]

    async def begin_impatiently() -> str:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KOPF_S_PATIENCE):
                    return await watcher.begin()

    begun = loop.create_task(begin_impatiently())
    loop.advance(10 * KOPF_S_PATIENCE)
    assert not begun.done()
    may_end.set()
    loop.advance(1)
    assert begun.result() == "10"
    assert watcher.client.lists == ["volumes"]
    loop.finish()


async def test_at_the_end_nothing_is_being_read_any_more() -> None:
    watcher = Watcher()
    hanging = asyncio.Event()

    async def never(*_: Any, **__: Any) -> Any:
        hanging.set()
        await asyncio.Event().wait()

    watcher.client.request = never  # type: ignore[method-assign]
    begun = asyncio.create_task(watcher.begin())
    await hanging.wait()
    await watcher.beginnings.stop()
    await asyncio.wait([begun])
    assert begun.cancelled()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def test_a_watch_that_begins_again_was_too_late_for_its_list_and_gets_a_newer_one() -> None:
    async def life() -> None:
        watcher = Watcher()
        assert [await watcher.begin(), await watcher.begin()] == ["10", "20"]
        # One that was read meanwhile will do.
        await watcher.lister.list_kind(VOLUMES)
        assert await watcher.begin() == "30"
        assert len(watcher.client.lists) == 3

    run(life())


def test_the_watches_of_namespaces_begin_at_the_same_list() -> None:
    async def life() -> None:
        watcher = Watcher()
        assert [await watcher.begin("a"), await watcher.begin("b")] == ["10", "10"]
        assert await watcher.begin("a") == "20"

    run(life())


# --- kopf's requests -------------------------------------------------------------------------------------------------

FIRST = {
    "watch": "true",
    "sendInitialEvents": "true",
    "resourceVersionMatch": "NotOlderThan",
    "labelSelector": "a in (b)",
}
PATH = f"/apis/fairlead.dev/v1alpha1/namespaces/n/{ATTACHMENTS.plural}"


class Wire:
    """A session as kopf gets it, and what came of its requests at the other end."""

    def __init__(self, watcher: Watcher, session: aiohttp.ClientSession, asked: list[Mapping[str, str]]) -> None:
        self.watcher = watcher
        self.asked = asked
        self.status = 200
        self._session = session

    async def get(self, params: Mapping[str, str]) -> None:
        """Send one request of a watch."""
        async with self._session.get(PATH, params=params):
            pass


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    asked: list[Mapping[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        return web.Response(status=found.status)

    application = web.Application()
    application.router.add_get(PATH, answer)
    watcher = Watcher()
    async with (
        TestServer(application, host="127.0.0.1") as server,
        aiohttp.ClientSession(server.make_url("/"), middlewares=(watcher.beginnings.send,)) as session,
    ):
        found = Wire(watcher, session, asked)
        yield found


async def test_the_first_request_goes_on_from_a_list_and_keeps_its_filter(wire: Wire) -> None:
    await wire.get(FIRST)
    assert wire.asked == [{"watch": "true", "labelSelector": "a in (b)", "resourceVersion": "10"}]
    assert wire.watcher.client.lists == ["attachments"]
    assert "attachments" in wire.watcher.view.watch.last_events


async def test_a_watch_that_goes_on_is_sent_as_it_is(wire: Wire) -> None:
    goes_on = {"watch": "true", "resourceVersion": "7"}
    await wire.get(goes_on)
    assert wire.asked == [goes_on]
    assert wire.watcher.client.lists == []


async def test_a_refused_watch_has_not_used_its_list(wire: Wire) -> None:
    wire.status = 503
    await wire.get(FIRST)
    wire.status = 200
    await wire.get(FIRST)
    assert [asked["resourceVersion"] for asked in wire.asked] == ["10", "10"]


async def test_a_list_that_fails_is_a_connection_that_failed(wire: Wire) -> None:
    """That is what kopf tries again, for as long as it takes."""
    wire.watcher.client.answers = False
    with pytest.raises(aiohttp.ClientConnectionError):
        await wire.get(FIRST)
    assert wire.asked == []
