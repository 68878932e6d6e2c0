"""Whoever walks over very many things lets others have their turns, however long each thing takes."""

import asyncio
import time

import pytest

from fairlead_kube.turns import TURN, in_turns


@pytest.mark.parametrize(("each", "turns"), [(TURN, 100), (TURN / 10, 9), (0.0, 0)])
async def test_others_have_a_turn_whenever_a_while_has_passed(
    monkeypatch: pytest.MonkeyPatch, each: float, turns: int
) -> None:
    now, others = 0.0, 0

    async def other() -> None:
        nonlocal others
        while True:
            await asyncio.sleep(0)
            others += 1

    beside = asyncio.create_task(other())
    await asyncio.sleep(0)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    walked = []
    async for item in in_turns(range(100)):
        walked.append(item)
        now += each
    monkeypatch.undo()
    beside.cancel()
    assert walked == list(range(100))
    assert others == pytest.approx(turns, abs=1)


async def test_what_changes_meanwhile_does_not_disturb_the_walk() -> None:
    things = dict.fromkeys(range(5))
    walked = []
    async for number in in_turns(things):
        walked.append(number)
        things.pop(number)
        things[number + 100] = None
    assert walked == [0, 1, 2, 3, 4]
