"""Walking over very many things without keeping the event loop from everything else."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

T = TypeVar("T")

AT_ONCE: Final = 256
"""Things between two turns of other tasks: some milliseconds of work with one object each."""


async def in_turns(items: Iterable[T]) -> AsyncIterator[T]:
    """Yield the items as they are at the beginning, and let others have a turn every few hundred."""
    for number, item in enumerate(list(items), start=1):
        yield item
        if number % AT_ONCE == 0:
            await asyncio.sleep(0)
