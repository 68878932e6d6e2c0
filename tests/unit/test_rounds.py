"""Whoever asks gets what began after he asked, and waits for no more than the round under way and his own."""

import asyncio

import pytest

from fairlead_operator.rounds import Rounds


class Reading:
    """Work that returns which time it is, once it may end.

    Attributes:
        count: rounds begun.
        may_end: what holds every round up.
    """

    def __init__(self, *, fails_first: bool = False) -> None:
        self.count = 0
        self._fails_first = fails_first
        self.may_end = asyncio.Event()
        self._rounds: Rounds[int] = Rounds()

    async def _read(self) -> int:
        self.count += 1
        number = self.count
        await self.may_end.wait()
        if number == 1 and self._fails_first:
            raise ConnectionError("no answer")
        return number

    async def ask(self) -> "asyncio.Task[int]":
        """Ask, and come as far as one can."""
        task = asyncio.create_task(self._rounds.next(self._read))
        await asyncio.sleep(0)
        return task


async def test_who_comes_during_a_round_shares_the_next_one() -> None:
    reading = Reading()
    asked = [await reading.ask() for _ in range(4)]
    reading.may_end.set()
    assert await asyncio.gather(*asked) == [1, 2, 2, 2]
    assert reading.count == 2


async def test_who_comes_after_a_round_gets_one_of_his_own() -> None:
    reading = Reading()
    reading.may_end.set()
    assert [await (await reading.ask()) for _ in range(2)] == [1, 2]


async def test_a_round_that_fails_fails_for_its_beginner_only() -> None:
    reading = Reading(fails_first=True)
    first, second = [await reading.ask() for _ in range(2)]
    reading.may_end.set()
    with pytest.raises(ConnectionError):
        await first
    assert await second == 2


async def test_a_round_whose_beginner_gives_up_is_begun_anew_for_the_others() -> None:
    reading = Reading()
    first, second = [await reading.ask() for _ in range(2)]
    first.cancel()
    reading.may_end.set()
    assert await second == 2
    assert first.cancelled()
