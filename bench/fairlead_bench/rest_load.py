"""The load: what Nova asks of the attachments API, through its public address, the same for every server of it."""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import aiohttp

T = TypeVar("T")
R = TypeVar("R")

PROJECT = "bench"
_MICROVERSION = "volume 3.70"
_PATIENCE = 300.0
_PAUSE = 0.05
_IDLE = 2.0
"""Seconds after which an unused connection is given up: before the server does, whose end might cross a request."""
CONNECTOR: Mapping[str, Any] = {
    "initiator": "iqn.2026-11.org.example:bench",
    "host": "bench",
    "ip": "127.0.0.1",
    "platform": "x86_64",
    "os_type": "linux",
    "multipath": False,
    "mountpoint": "/dev/vdb",
}


class Refused(Exception):
    """A request was answered otherwise than it must be under load; the message has the answer."""


@dataclass(frozen=True)
class Cycle:
    """One attachment's life, in seconds: POST with a connector until the answer tells the connection, os-complete,
    DELETE."""

    create: float
    complete: float
    delete: float

    @classmethod
    def between(cls, moments: Sequence[float]) -> Self:
        """From the four moments at which each began and the last one ended."""
        return cls(*(end - begin for begin, end in itertools.pairwise(moments)))

    @property
    def whole(self) -> float:
        """All three."""
        return self.create + self.complete + self.delete


class RestLoad:
    """A client of one server. Use as an async context manager.

    Args:
        url: the API's root, such as `http://127.0.0.1:8776/v3`.
        project: whose client it is.
        connections: how many requests are under way at most.
    """

    def __init__(self, url: str, *, project: str = PROJECT, connections: int = 16) -> None:
        self._url = url
        self._project = project
        self._connections = connections
        self._open = AsyncExitStack()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {
            "X-Auth-Token": f"admin:{self._project}",
            "OpenStack-API-Version": _MICROVERSION,
            "Accept": "application/json",
        }
        self._session = await self._open.enter_async_context(
            aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=_IDLE),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=_PATIENCE),
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def create_volume(self, size: int = 1, *, volume_type: str | None = None) -> str:
        """Make a volume of that many GiB (None: of the default type), wait until it is available, and return its id."""
        fields: dict[str, Any] = {"size": size, "name": f"bench-{uuid.uuid4().hex[:8]}"}
        if volume_type is not None:
            fields["volume_type"] = volume_type
        made = await self._ask("POST", "/volumes", 202, {"volume": fields})
        volume: str = made["volume"]["id"]
        await self._until(volume, "available")
        return volume

    async def delete_volume(self, volume: str) -> None:
        """Delete a volume; its end is not awaited."""
        await self._ask("DELETE", f"/volumes/{volume}", 202)

    async def attach(self, volume: str) -> str:
        """Make an attachment with a connector and return its id.

        Raises:
            Refused: it was, or the answer does not tell the connection.
        """
        body = {"attachment": {"volume_uuid": volume, "connector": CONNECTOR}}
        # Cinder answers 200 where its reference says 202.
        made = (await self._ask("POST", "/attachments", (200, 202), body))["attachment"]
        if not made["connection_info"]:
            raise Refused(f"attachment {made['id']} tells no connection")
        attachment: str = made["id"]
        return attachment

    async def complete(self, attachment: str) -> None:
        """Say that the node has connected."""
        await self._ask("POST", f"/attachments/{attachment}/action", 204, {"os-complete": None})

    async def detach(self, attachment: str) -> None:
        """Delete an attachment."""
        await self._ask("DELETE", f"/attachments/{attachment}", 200)

    async def cycle(self, volume: str) -> Cycle:
        """One attachment's life on a volume that nobody else uses meanwhile."""
        times = [time.perf_counter()]
        attachment = await self.attach(volume)
        times.append(time.perf_counter())
        await self.complete(attachment)
        times.append(time.perf_counter())
        await self.detach(attachment)
        times.append(time.perf_counter())
        return Cycle.between(times)

    async def occupy(self, volume: str) -> str:
        """Have a volume in use; returns the attachment's id."""
        attachment = await self.attach(volume)
        await self.complete(attachment)
        return attachment

    async def show(self, attachment: str) -> float:
        """Seconds for one attachment."""
        began = time.perf_counter()
        content = await self.content(f"/attachments/{attachment}")
        seconds = time.perf_counter() - began
        if json.loads(content)["attachment"]["status"] != "attached":
            raise Refused(f"attachment {attachment} is not attached")
        return seconds

    async def listing(self, path: str, *, expected: int) -> float:
        """Seconds for one list of attachments in one page; reading its JSON is not counted.

        Raises:
            Refused: it has less than that many.
        """
        began = time.perf_counter()
        content = await self.content(f"{path}?limit=1000")
        seconds = time.perf_counter() - began
        found = len(json.loads(content)["attachments"])
        if found < expected:
            raise Refused(f"{path} has {found} attachments, not {expected}")
        return seconds

    async def content(self, path: str) -> bytes:
        """The body of an answer 200."""
        return await self._send("GET", path, (200,), None)

    async def _until(self, volume: str, status: str) -> None:
        """Wait for a volume's status, asking as a client does."""
        deadline = time.monotonic() + _PATIENCE
        while (now := (await self._ask("GET", f"/volumes/{volume}", 200))["volume"]["status"]) != status:
            if now.startswith("error") or time.monotonic() > deadline:
                raise Refused(f"volume {volume} is {now}, not {status}")
            await asyncio.sleep(_PAUSE)

    async def _ask(self, method: str, path: str, expected: int | tuple[int, ...], body: Any = None) -> Any:
        content = await self._send(method, path, (expected,) if isinstance(expected, int) else expected, body)
        return json.loads(content) if content else None

    async def _send(self, method: str, path: str, expected: tuple[int, ...], body: Any) -> bytes:
        assert self._session is not None, "use `async with` on the client"
        async with self._session.request(method, f"{self._url}{path}", json=body) as response:
            content = await response.read()
        if response.status not in expected:
            raise Refused(f"{method} {path}: {response.status} {content[:300].decode(errors='replace')}")
        return content


async def spread(items: Iterable[T], clients: int, work: Callable[[T], Awaitable[R]]) -> tuple[list[R], float]:
    """Have that many clients take the items one after another.

    Returns:
        What the work returned, in the order of its ends, and the seconds that all of it took.
    """
    waiting, done = iter(items), []

    async def client() -> None:
        for item in waiting:
            done.append(await work(item))

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    return done, time.perf_counter() - began


async def cycles(load: RestLoad, volumes: Sequence[str], *, each: int) -> tuple[list[Cycle], float]:
    """Have a client per volume go through that many cycles; returns as `spread` does."""
    return await repeated([partial(load.cycle, volume) for volume in volumes], each=each)


async def repeated(clients: Sequence[Callable[[], Awaitable[Cycle]]], *, each: int) -> tuple[list[Cycle], float]:
    """Have each client go through that many cycles, all at once; returns as `spread` does."""

    async def many(cycle: Callable[[], Awaitable[Cycle]]) -> list[Cycle]:
        return [await cycle() for _ in range(each)]

    found, seconds = await spread(clients, len(clients), many)
    return [cycle for part in found for cycle in part], seconds
