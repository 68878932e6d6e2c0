"""Whoever asks gets what began after he asked, and waits for no more than the round under way and his own."""

import asyncio

import pytest

from fairlead_operator.rounds import Rounds


class Reading:
    """Work that returns which time it is, when it is let.

    Attributes:
        begun: a future for each round, to be resolved.
    """

    def __init__(self) -> None:
        self.begun: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue()
        self.count = 0
        self._rounds: Rounds[int] = Rounds()

    async def _read(self) -> int:
        self.count += 1
        number = self.count
        end = asyncio.get_running_loop().create_future()
        self.begun.put_nowait(end)
        await end
        return number

    async def ask(self) -> "asyncio.Task[int]":
        """Ask, and come as far as one can."""
        task = asyncio.create_task(self._rounds.next(self._read))
        await asyncio.sleep(0)
        return task


async def test_who_comes_during_a_round_shares_the_next_one() -> None:
    reading = Reading()
    first = await reading.ask()
    others = [await reading.ask() for _ in range(3)]
    (await reading.begun.get()).set_result(None)
    assert await first == 1
    (await reading.begun.get()).set_result(None)
    assert await asyncio.gather(*others) == [2, 2, 2]
    assert reading.count == 2


async def test_who_comes_after_a_round_gets_one_of_his_own() -> None:
    reading = Reading()
    for number in (1, 2):
        asked = await reading.ask()
        (await reading.begun.get()).set_result(None)
        assert await asked == number


async def test_a_round_that_fails_fails_for_its_beginner_only() -> None:
    reading = Reading()
    first, second, third = [await reading.ask() for _ in range(3)]
    (await reading.begun.get()).set_exception(ConnectionError("no answer"))
    with pytest.raises(ConnectionError):
        await first
    await reading.begun.get()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    (await reading.begun.get()).set_result(None)
    assert await third == 3
