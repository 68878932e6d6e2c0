"""How long the event loop keeps everybody waiting: it shows here before it shows anywhere else."""

import asyncio
import contextlib
import gc
import selectors
import time
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any, Final, TypeVar

from prometheus_client import Gauge, Histogram

T = TypeVar("T")

_SHORT: Final = 0.005
"""Seconds. Turns that are shorter keep nobody waiting, and are too many to be counted."""

_THRESHOLDS: Final = (10_000, 5, 2)
"""Objects made, less those freed, between two small collections; how many of those to a middle one; and of those to a
full one. Python's (700, 10, 10) are for programs that keep little. A full one looks through what was made since the
last, here some 100,000 objects: with 10 and 10 it would be a million, and half a second while a long list comes in."""

_LONG_COLLECTION: Final = 0.02
"""Seconds that one full garbage collection may take before what survived it is left out of the next."""

_TURN: Final = Histogram(
    "fairlead_event_loop_turn_seconds",
    "Turns of the event loop of 5 ms and more: from when it has seen what is ready until it looks again.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
_LONGEST: Final = Gauge(
    "fairlead_event_loop_longest_turn_seconds", "The longest turn of the event loop since the process started."
)
_BUSIEST: Final = Gauge(
    "fairlead_event_loop_longest_busy_seconds",
    "The most processor time that one turn of the event loop took: a longer turn is the machine's doing.",
)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Do what `asyncio.run` does, measure the loop's turns, and keep garbage collections from making them long."""
    with spared(), asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(_Selector())) as runner:
        return runner.run(main)


def look_at_everything_again() -> None:
    """Have the next full collection look through what was left out, too: a large part of it may be garbage now."""
    gc.unfreeze()


@contextlib.contextmanager
def spared() -> Iterator[None]:
    """While in the context, collect garbage as suits a process that keeps very many objects."""
    collections, thresholds = _Collections(), gc.get_threshold()
    gc.callbacks.append(collections)
    gc.set_threshold(*_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.callbacks.remove(collections)


class _Selector(selectors.DefaultSelector):
    """Takes the time between two looks at what is ready. It costs an idle process nothing, unlike a timer."""

    def __init__(self) -> None:
        super().__init__()
        self._longest = self._busiest = 0.0
        # The first turn begins with the first look.
        self._began = self._used = float("inf")

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for what is ready."""
        turn = time.perf_counter() - self._began
        if turn >= _SHORT:
            self._note(turn, time.thread_time() - self._used)
        ready = super().select(timeout)
        self._began, self._used = time.perf_counter(), time.thread_time()
        return ready

    def _note(self, turn: float, busy: float) -> None:
        _TURN.observe(turn)
        if turn > self._longest:
            self._longest = turn
            _LONGEST.set(turn)
        if busy > self._busiest:
            self._busiest = busy
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
