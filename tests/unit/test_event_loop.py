"""What keeps the event loop is seen, and collections of garbage do not keep it twice."""

import asyncio
import gc
import time

import pytest
from prometheus_client import REGISTRY

from fairlead_telemetry import event_loop


def told(name: str) -> float:
    return REGISTRY.get_sample_value(f"fairlead_event_loop_{name}") or 0.0


def test_what_keeps_the_loop_is_measured() -> None:
    async def stall() -> str:
        await asyncio.sleep(0)
        time.sleep(0.3)  # noqa: ASYNC251 - the stall that is to be seen
        await asyncio.sleep(0)
        return "done"

    before = told("turn_seconds_count")
    assert event_loop.run(stall()) == "done"
    assert told("turn_seconds_count") > before
    assert told("longest_turn_seconds") >= 0.3
    # It slept, and took hardly any processor time.
    assert 0 < told("longest_busy_seconds") < 0.3


def test_waiting_for_something_is_no_turn() -> None:
    before = told("turn_seconds_sum")
    event_loop.run(asyncio.sleep(1.0))
    assert told("turn_seconds_sum") - before < 0.5


@pytest.mark.parametrize(("long", "frozen"), [(0.0, True), (1000.0, False)])
def test_what_outlives_a_long_collection_is_left_out_of_the_next(
    monkeypatch: pytest.MonkeyPatch, long: float, frozen: bool
) -> None:
    monkeypatch.setattr(event_loop, "_LONG_COLLECTION", long)
    gc.unfreeze()
    try:
        with event_loop.spared():
            gc.collect()
            assert (gc.get_freeze_count() > 0) is frozen
    finally:
        gc.unfreeze()
