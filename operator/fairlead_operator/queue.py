"""A queue of keys: each at most once, never two passes over one key at a time, failures retried with growing pauses.

Detaches go before attaches, what a person changed before a resync. Retries live here, in memory, and cost no API write:
a pass is level-triggered, so forgetting one in a crash loses nothing.
"""

import asyncio
import enum
import heapq
import itertools
import logging
import random
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from fairlead_operator.core.retries import pause_after

K = TypeVar("K", bound=Hashable)

_log = logging.getLogger(__name__)


class Priority(enum.IntEnum):
    """Which key goes first."""

    DETACH = 0
    CHANGE = 1
    RESYNC = 2


class Again(Exception):
    """Raised by a pass that wants the key back.

    Attributes:
        after: seconds; None: a pause that grows with each failure in a row.
    """

    def __init__(self, after: float | None = None) -> None:
        super().__init__(after)
        self.after = after


class WorkQueue(Generic[K]):
    """See the module. Not thread-safe: one event loop owns it."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._heap: list[tuple[int, int, K]] = []
        self._queued: dict[K, tuple[Priority, float]] = {}
        self._running: set[K] = set()
        self._dirty: dict[K, Priority] = {}
        self._failures: dict[K, int] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._order = itertools.count()
        self._ready = asyncio.Event()
        self._resync = asyncio.Lock()
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._queued) + len(self._running)

    @property
    def oldest(self) -> float:
        """Seconds that the longest-waiting key has waited."""
        # A key keeps its place, and its time, when its priority changes.
        first = next(iter(self._queued.values()), None)
        return 0.0 if first is None else time.monotonic() - first[1]

    def failures(self, key: K) -> int:
        """How many passes over this key failed in a row."""
        return self._failures.get(key, 0)

    def running(self, key: K) -> bool:
        """Whether a pass over this key is under way."""
        return key in self._running

    def add(self, key: K, priority: Priority = Priority.CHANGE) -> None:
        """Ask for a pass over `key`, now; one that is under way is followed by another."""
        self._cancel_timer(key)
        self._idle.clear()
        if key in self._running:
            self._dirty[key] = min(priority, self._dirty.get(key, priority))
            return
        queued = self._queued.get(key)
        if queued is not None and queued[0] <= priority:
            return
        self._queued[key] = (priority, queued[1] if queued else time.monotonic())
        heapq.heappush(self._heap, (priority, next(self._order), key))
        self._ready.set()

    def add_after(self, key: K, seconds: float, priority: Priority = Priority.CHANGE) -> None:
        """Ask for a pass over `key` in that many seconds, unless one comes sooner."""
        if key in self._queued or key in self._dirty:
            return
        timer = self._timers.get(key)
        when = asyncio.get_running_loop().time() + seconds
        if timer is not None and timer.when() <= when:
            return
        self._cancel_timer(key)
        self._timers[key] = asyncio.get_running_loop().call_at(when, self.add, key, priority)

    async def run(self, handle: Callable[[K], Awaitable[None]], *, workers: int) -> None:
        """Process keys until cancelled; passes under way are then cancelled too."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(workers):
                    group.create_task(self._work(handle))
        finally:
            for timer in self._timers.values():
                timer.cancel()
            self._timers.clear()

    async def join(self) -> None:
        """Wait until nothing is queued or under way (retries that wait for their time do not count)."""
        await self._idle.wait()

    async def _work(self, handle: Callable[[K], Awaitable[None]]) -> None:
        while True:
            key = await self._take()
            again: float | None = None
            try:
                await handle(key)
                self._failures.pop(key, None)
            except Again as wish:
                again = wish.after if wish.after is not None else self._backoff(key)
            except Exception:
                again = self._backoff(key)
                _log.exception("%s: pass over %s failed; again in %.1f s", self._name, key, again)
            finally:
                self._running.discard(key)
                dirty = self._dirty.pop(key, None)
                if dirty is not None:
                    self.add(key, dirty)
                elif again is not None:
                    self.add_after(key, again)
                if not self._queued and not self._running:
                    self._idle.set()

    async def _take(self) -> K:
        if self._next() is not None:
            # A pass that finds nothing to do never waits, and there may be very many of those in a row.
            await asyncio.sleep(0)
        while True:
            if self._next() is Priority.RESYNC:
                # One worker at a time: whatever else has to be done comes between two of these, not behind one of each.
                async with self._resync:
                    await asyncio.sleep(0)
            if self._next() is not None:
                return self._pop()
            self._ready.clear()
            await self._ready.wait()

    def _next(self) -> Priority | None:
        """Return how urgent the first key is."""
        while self._heap:
            priority, _, key = self._heap[0]
            queued = self._queued.get(key)
            if queued is not None and queued[0] == priority:
                return queued[0]
            # It was overtaken by an entry of a higher priority.
            heapq.heappop(self._heap)
        return None

    def _pop(self) -> K:
        _, _, key = heapq.heappop(self._heap)
        del self._queued[key]
        self._running.add(key)
        return key

    def _backoff(self, key: K) -> float:
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        # Never longer than what a message promises.
        return pause_after(failures) * random.uniform(0.7, 1.0)

    def _cancel_timer(self, key: K) -> None:
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
