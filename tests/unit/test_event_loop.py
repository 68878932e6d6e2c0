"""What keeps the event loop is seen, and collections of garbage do not keep it twice."""

import asyncio
import gc
import time

import pytest
from prometheus_client import REGISTRY

from fairlead_telemetry import event_loop
from fairlead_telemetry.event_loop import watched_loop


def counted() -> float:
    return REGISTRY.get_sample_value("fairlead_event_loop_lag_seconds_count") or 0.0


async def seen_since(before: float) -> None:
    async with asyncio.timeout(20):
        while counted() <= before + 1:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)


async def test_what_keeps_the_loop_is_measured() -> None:
    async with watched_loop():
        await seen_since(counted())
        time.sleep(0.3)  # noqa: ASYNC251 - the stall that is to be seen
        await seen_since(counted())
    longest = REGISTRY.get_sample_value("fairlead_event_loop_longest_lag_seconds")
    assert longest is not None
    # Less by what was left of the pause between two looks.
    assert longest >= 0.28
    # It slept, and took no processor time.
    busiest = REGISTRY.get_sample_value("fairlead_event_loop_longest_busy_seconds")
    assert busiest is not None
    assert 0 < busiest < longest


@pytest.mark.parametrize(("long", "frozen"), [(0.0, True), (1000.0, False)])
async def test_what_outlives_a_long_collection_is_left_out_of_the_next(
    monkeypatch: pytest.MonkeyPatch, long: float, frozen: bool
) -> None:
    monkeypatch.setattr(event_loop, "_LONG_COLLECTION", long)
    gc.unfreeze()
    try:
        async with watched_loop():
            gc.collect()
            assert (gc.get_freeze_count() > 0) is frozen
    finally:
        gc.unfreeze()
