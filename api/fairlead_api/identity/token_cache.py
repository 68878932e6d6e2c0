"""Answers about tokens, kept for a short time.

Bounded in number and in time, because both are in the hands of whoever sends tokens. Several requests that ask the
same question at once share one answer, or a burst of a client's requests would be a burst on Keystone.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

V = TypeVar("V")


def fingerprint(*parts: str) -> bytes:
    """A key that tells tokens apart without holding them: memory of this process is no place for other people's."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part.encode())
    return digest.digest()


@dataclass(frozen=True, slots=True)
class Kept(Generic[V]):
    """An answer and the seconds that it may be kept; 0: not at all."""

    value: V
    seconds: float


class TokenCache(Generic[V]):
    """Remembers answers by key, the least recently used leaving first."""

    def __init__(self, size: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._size = size
        self._clock = clock
        self._known: OrderedDict[Hashable, tuple[float, V]] = OrderedDict()
        self._pending: dict[Hashable, asyncio.Task[Kept[V]]] = {}

    def __len__(self) -> int:
        return len(self._known)

    async def get(self, key: Hashable, look: Callable[[], Awaitable[Kept[V]]]) -> V:
        """Return the answer for a key, asking by `look` when none is known. What `look` raises is not remembered."""
        known = self._known.get(key)
        if known is not None:
            if self._clock() < known[0]:
                self._known.move_to_end(key)
                return known[1]
            del self._known[key]
        task = self._pending.get(key)
        if task is None:
            task = asyncio.ensure_future(self._ask(key, look))
            self._pending[key] = task
            task.add_done_callback(lambda done: self._settle(key, done))
        # A client that hangs up must not take the answer away from the others who wait for it.
        return (await asyncio.shield(task)).value

    async def _ask(self, key: Hashable, look: Callable[[], Awaitable[Kept[V]]]) -> Kept[V]:
        kept = await look()
        if kept.seconds > 0:
            self._known[key] = (self._clock() + kept.seconds, kept.value)
            self._known.move_to_end(key)
            while len(self._known) > self._size:
                self._known.popitem(last=False)
        return kept

    def _settle(self, key: Hashable, done: "asyncio.Task[Kept[V]]") -> None:
        self._pending.pop(key, None)
        if not done.cancelled():
            # Somebody has to look at the exception, even when every waiter is gone.
            done.exception()
