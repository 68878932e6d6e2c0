"""How late the event loop is: what keeps it from everybody's work shows here before it shows anywhere else."""

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from prometheus_client import Gauge, Histogram

_EVERY: Final = 0.01
"""Seconds between two looks. A stall is seen up to this much shorter than it was."""

_THRESHOLDS: Final = (10_000, 5, 2)
"""Objects made, less those freed, between two small collections; how many of those to a middle one; and of those to a
full one. Python's (700, 10, 10) are for programs that keep little. A full one looks through what was made since the
last, here some 100,000 objects: with 10 and 10 it would be a million, and half a second while a long list comes in."""

_LONG_COLLECTION: Final = 0.02
"""Seconds that one full garbage collection may take before what survived it is left out of the next."""

_LAG: Final = Histogram(
    "fairlead_event_loop_lag_seconds",
    "How late the event loop came to a timer, a hundred times a second.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
_LONGEST: Final = Gauge(
    "fairlead_event_loop_longest_lag_seconds", "The latest that the event loop has been since the process started."
)
_BUSIEST: Final = Gauge(
    "fairlead_event_loop_longest_busy_seconds",
    "The most processor time that the event loop's thread took between two looks: a longer lag is the machine's doing.",
)


@contextlib.asynccontextmanager
async def watched_loop() -> AsyncIterator[None]:
    """Measure this event loop while in the context, and keep garbage collections from stopping it for long."""
    task = asyncio.create_task(_measure())
    collections, thresholds = _Collections(), gc.get_threshold()
    gc.callbacks.append(collections)
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collections)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def look_at_everything_again() -> None:
    """Have the next full collection look through what was left out, too: a large part of it may be garbage now."""
    gc.unfreeze()


async def _measure() -> None:
    longest = busiest = 0.0
    while True:
        due, used = time.perf_counter() + _EVERY, time.thread_time()
        await asyncio.sleep(_EVERY)
        lag, busy = max(0.0, time.perf_counter() - due), time.thread_time() - used
        _LAG.observe(lag)
        if lag > longest:
            longest = lag
            _LONGEST.set(lag)
        if busy > busiest:
            busiest = busy
            _BUSIEST.set(busy)


class _Collections:
    """Takes what survived a long full collection out of all later ones.

    Mirrored resources are millions of Python objects that live until their resource changes and form no cycles, so
    looking through them again and again frees nothing and stops the loop each time. Counting references still frees
    them. A cycle among what was taken out is not freed before `look_at_everything_again`.
    """

    def __init__(self) -> None:
        self._began = 0.0

    def __call__(self, phase: str, info: Mapping[str, Any]) -> None:
        if info["generation"] != 2:
            return
        if phase == "start":
            self._began = time.perf_counter()
        elif time.perf_counter() - self._began > _LONG_COLLECTION:
            gc.freeze()
