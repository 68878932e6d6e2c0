"""Work whose one result serves everybody who asked before it began."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Rounds(Generic[T]):
    """One piece of work, done in rounds, one at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._begun = 0
        self._done: tuple[int, T] | None = None

    @property
    def under_way(self) -> bool:
        """Whether a round is."""
        return self._turn.locked()

    async def next(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a round that begins after this call.

        Whoever calls while one is under way waits for it and shares the one after it. A round that fails raises to the
        caller who began it; the next one in line begins another.

        Args:
            work: what a round does, the same for every caller.
        """
        wanted = self._begun + 1
        async with self._turn:
            if self._done is None or self._done[0] < wanted:
                self._begun += 1
                number = self._begun
                self._done = number, await work()
            return self._done[1]
