"""The queue of keys, on a loop whose time only the test moves."""

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from fairlead_operator.core.retries import LONGEST_PAUSE, SHORTEST_PAUSE
from fairlead_operator.queue import Again, Priority, WorkQueue
from unit.model.virtual_time import VirtualTimeLoop


class Work:
    """A queue at work; each pass is noted, and lasts until the test lets it go on when `hold` says so."""

    def __init__(self, loop: VirtualTimeLoop, *, workers: int = 4) -> None:
        self.loop = loop
        self.queue: WorkQueue[str] = WorkQueue("test")
        self.passes: list[tuple[str, float]] = []
        self.hold: set[str] = set()
        self.outcome: dict[str, Exception] = {}
        self.under_way: dict[str, asyncio.Event] = {}
        self.task = loop.create_task(self._start(workers))
        loop.settle()

    @property
    def keys(self) -> list[str]:
        """Keys of the passes so far, in order."""
        return [key for key, _ in self.passes]

    def do(self, *calls: Callable[[], object]) -> None:
        """Make calls inside the loop, then let it run until everything waits."""
        for call in calls:
            self.loop.call_soon(call)
        self.loop.settle()

    def add(self, *keys: str, priority: Priority = Priority.CHANGE) -> None:
        """Ask for passes."""
        self.do(*[lambda key=key: self.queue.add(key, priority) for key in keys])

    def finish(self, key: str) -> None:
        """Let the pass over that key go on."""
        self.hold.discard(key)
        self.do(self.under_way[key].set)

    async def _start(self, workers: int) -> None:
        await self.queue.run(self._handle, workers=workers)

    async def _handle(self, key: str) -> None:
        assert key not in self.under_way, f"two passes over {key} at once"
        self.passes.append((key, self.loop.time()))
        self.under_way[key] = asyncio.Event()
        try:
            if key in self.hold:
                await self.under_way[key].wait()
            if key in self.outcome:
                raise self.outcome[key]
        finally:
            del self.under_way[key]


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.finish()


@pytest.fixture
def work(loop: VirtualTimeLoop) -> Work:
    return Work(loop)


def busy(work: Work) -> None:
    """Keep every worker busy, so that what is added waits its turn."""
    busy_with = [f"busy{i}" for i in range(4)]
    work.hold.update(busy_with)
    work.add(*busy_with)
    work.passes.clear()


def release(work: Work) -> None:
    for i in range(4):
        work.finish(f"busy{i}")


def pauses(work: Work) -> list[float]:
    times = [at for _, at in work.passes]
    return [later - sooner for sooner, later in itertools.pairwise(times)]


def test_a_key_that_waits_is_there_once(work: Work) -> None:
    busy(work)
    work.add("a", "a", "b", "a")
    release(work)
    assert work.keys == ["a", "b"]


def test_a_key_comes_again_when_it_is_asked_for_again(work: Work) -> None:
    work.add("a")
    work.add("a")
    assert work.keys == ["a", "a"]


def test_detaches_go_before_changes_and_these_before_a_resync(loop: VirtualTimeLoop) -> None:
    work = Work(loop, workers=1)
    work.hold.add("busy")
    work.add("busy")
    work.add("resync", priority=Priority.RESYNC)
    work.add("change", priority=Priority.CHANGE)
    work.add("detach", priority=Priority.DETACH)
    work.finish("busy")
    assert work.keys == ["busy", "detach", "change", "resync"]


def test_a_change_comes_between_two_of_very_many_resyncs_and_not_behind_one_of_each_worker(
    loop: VirtualTimeLoop,
) -> None:
    work = Work(loop, workers=16)

    def look_at_everything() -> None:
        for number in range(100):
            work.queue.add(f"old-{number}", Priority.RESYNC)
        # Comes when the workers are awake.
        loop.call_soon(loop.call_soon, loop.call_soon, work.queue.add, "change", Priority.CHANGE)

    work.do(look_at_everything)
    assert work.keys.index("change") <= 4
    assert len(work.keys) == 101


def test_resyncs_that_wait_do_so_side_by_side(loop: VirtualTimeLoop) -> None:
    work = Work(loop, workers=3)
    keys = ("a", "b", "c")
    work.hold |= {*keys}
    work.add(*keys, priority=Priority.RESYNC)
    assert work.keys == [*keys]


def test_within_a_priority_the_first_goes_first(loop: VirtualTimeLoop) -> None:
    work = Work(loop, workers=1)
    work.hold.add("busy")
    work.add("busy", "z", "a", "m")
    work.finish("busy")
    assert work.keys == ["busy", "z", "a", "m"]


@pytest.mark.parametrize("first", list(Priority))
@pytest.mark.parametrize("second", list(Priority))
def test_a_key_keeps_the_higher_of_its_priorities(loop: VirtualTimeLoop, first: Priority, second: Priority) -> None:
    """Matrix: every pair of priorities. Between the two stands a key of the middle one, added before."""
    work = Work(loop, workers=1)
    work.hold.add("busy")
    work.add("busy")
    work.add("middle", priority=Priority.CHANGE)
    work.add("a", priority=first)
    work.add("a", priority=second)
    work.finish("busy")
    expected = ["a", "middle"] if min(first, second) is Priority.DETACH else ["middle", "a"]
    assert work.keys == ["busy", *expected]


def test_there_are_never_two_passes_over_one_key(work: Work) -> None:
    """The handler fails by itself if there are; three more workers stand idle."""
    work.hold.add("a")
    work.add("a")
    work.add("a", "a")
    assert work.keys == ["a"]


def test_what_changes_during_a_pass_gets_another_one(work: Work) -> None:
    work.hold.add("a")
    work.add("a")
    work.add("a", "a")
    work.finish("a")
    assert work.keys == ["a", "a"]


def test_what_changes_during_a_pass_keeps_its_priority(loop: VirtualTimeLoop) -> None:
    work = Work(loop, workers=1)
    work.hold.add("a")
    work.add("a")
    work.add("b")
    work.add("a", priority=Priority.RESYNC)
    work.add("a", priority=Priority.DETACH)
    work.finish("a")
    assert work.keys == ["a", "a", "b"]


def test_other_keys_go_on_meanwhile(work: Work) -> None:
    work.hold.add("a")
    work.add("a", "b", "c")
    assert work.keys == ["a", "b", "c"]


@pytest.mark.parametrize("error", [Again(), ValueError("a bug")], ids=["again", "a bug"])
def test_pauses_grow_up_to_a_limit(work: Work, error: Exception) -> None:
    """Matrix: a pass that asks to come again, and one that fails as none should."""
    work.outcome["a"] = error
    work.add("a")
    work.loop.advance(300.0)
    limits = [min(LONGEST_PAUSE, SHORTEST_PAUSE * 2**turn) for turn in range(len(pauses(work)))]
    assert limits[-1] == LONGEST_PAUSE
    # Spread, so that what failed together does not come back together; never longer than what a message promises.
    assert all(0.7 * limit <= pause <= limit for pause, limit in zip(pauses(work), limits, strict=True))


def test_success_forgets_the_failures_before(work: Work) -> None:
    work.outcome["a"] = Again()
    work.add("a")
    work.loop.advance(5.0)
    assert work.queue.failures("a") > 3
    del work.outcome["a"]
    work.add("a")
    assert work.queue.failures("a") == 0


def test_a_wish_for_a_time_is_kept_and_is_no_failure(work: Work) -> None:
    work.outcome["a"] = Again(7.0)
    work.add("a")
    work.loop.advance(20.0)
    assert (work.passes, work.queue.failures("a")) == ([("a", 0.0), ("a", 7.0), ("a", 14.0)], 0)


def test_a_change_does_not_wait_for_the_end_of_a_pause(work: Work) -> None:
    work.outcome["a"] = Again(100.0)
    work.add("a")
    del work.outcome["a"]
    work.loop.advance(1.0)
    work.add("a")
    work.loop.advance(500.0)
    assert work.passes == [("a", 0.0), ("a", 1.0)]


def test_a_change_during_a_failing_pass_is_looked_at_at_once(work: Work) -> None:
    work.hold.add("a")
    work.outcome["a"] = Again(100.0)
    work.add("a")
    work.add("a")
    work.finish("a")
    assert work.passes[:2] == [("a", 0.0), ("a", 0.0)]


@pytest.mark.parametrize(("first", "second"), [(5.0, 9.0), (9.0, 5.0)])
def test_of_two_times_the_sooner_counts(work: Work, first: float, second: float) -> None:
    """Matrix: which of them is asked for first."""
    work.do(lambda: work.queue.add_after("a", first), lambda: work.queue.add_after("a", second))
    work.loop.advance(60.0)
    assert work.passes == [("a", 5.0)]


def test_who_waits_already_needs_no_timer(work: Work) -> None:
    busy(work)
    work.add("a")
    work.do(lambda: work.queue.add_after("a", 5.0))
    release(work)
    work.loop.advance(60.0)
    assert work.keys == ["a"]


def test_the_end_cancels_what_is_under_way_and_what_waits_for_its_time(work: Work) -> None:
    work.hold.add("a")
    work.add("a")
    work.do(lambda: work.queue.add_after("b", 5.0))
    work.do(work.task.cancel)
    work.loop.advance(60.0)
    assert (work.keys, work.under_way) == (["a"], {})


def test_joining_waits_for_passes_and_not_for_pauses(work: Work) -> None:
    work.hold.add("a")
    work.outcome["a"] = Again(100.0)
    work.add("a")
    joined = work.loop.create_task(work.queue.join())
    work.loop.settle()
    before = joined.done()
    work.finish("a")
    assert (before, joined.done()) == (False, True)


def test_its_length_counts_what_waits_and_what_is_under_way(work: Work) -> None:
    busy(work)
    work.add("a")
    assert len(work.queue) == 5


def test_a_failing_key_does_not_hold_up_the_others(loop: VirtualTimeLoop) -> None:
    work = Work(loop, workers=1)
    work.outcome["a"] = ValueError("a bug")
    work.add("a", "b")
    assert work.keys == ["a", "b"]
