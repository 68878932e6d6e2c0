"""Wait for a condition, never for time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_POLL = 0.02


def wait_for(predicate: Callable[[], T], *, timeout: float = 15.0, what: str) -> T:
    """Call a predicate until it returns something true, and return that.

    Args:
        predicate: What is asked; an AssertionError counts as "not yet".
        timeout: Seconds after which the test fails. Generous: a test that passes does not wait for it.
        what: The condition in words, for the failure's message.

    Returns:
        The predicate's true value.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            value = predicate()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:.0f} s still not: {what} (last: {last!r})")
        time.sleep(_POLL)


async def eventually(predicate: Callable[[], Awaitable[T] | T], *, timeout: float = 15.0, what: str) -> T:
    """Do as ``wait_for`` does, letting the event loop run meanwhile.

    Args:
        predicate: What is asked, an ordinary or an async function.
        timeout: Seconds after which the test fails.
        what: The condition in words, for the failure's message.

    Returns:
        The predicate's true value.
    """
    deadline = time.monotonic() + timeout
    while True:
        last: object
        try:
            answer = predicate()
            value = await answer if isinstance(answer, Awaitable) else answer
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"after {timeout:.0f} s still not: {what} (last: {last!r})")
        await asyncio.sleep(_POLL)
