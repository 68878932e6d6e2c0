"""Walking over very many things without keeping the event loop from everything else."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

TURN: Final = 0.01
"""Seconds of work between two turns of other tasks."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items as they are at the beginning, and let others have a turn whenever that has taken a while."""
    until = time.perf_counter() + TURN
    for item in list(items):
        yield item
        if time.perf_counter() >= until:
            await asyncio.sleep(0)
            until = time.perf_counter() + TURN
