"""Tokens in headers, and answers about tokens that are kept for a while."""

import asyncio

import pytest

from fairlead_api.identity.authenticator import LONGEST_TOKEN, Credentials, Unauthenticated
from fairlead_api.identity.token_cache import Kept, TokenCache, fingerprint
from fairlead_api.protocol.faults import BadRequest


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Oracle:
    """Answers with the number of times that it was asked."""

    def __init__(self, seconds: float = 10.0) -> None:
        self.asked = 0
        self.seconds = seconds

    async def __call__(self) -> Kept[int]:
        self.asked += 1
        return Kept(self.asked, self.seconds)


async def test_an_answer_is_kept_for_its_time_and_no_longer() -> None:
    clock, oracle = Clock(), Oracle()
    cache: TokenCache[int] = TokenCache(4, clock=clock)
    assert [await cache.get("k", oracle) for _ in range(3)] == [1, 1, 1]
    clock.now += 10.0
    assert await cache.get("k", oracle) == 2


async def test_an_answer_without_time_is_not_kept() -> None:
    oracle = Oracle(0.0)
    cache: TokenCache[int] = TokenCache(4)
    assert [await cache.get("k", oracle) for _ in range(2)] == [1, 2]
    assert len(cache) == 0


async def test_the_least_recently_used_leaves_first() -> None:
    oracle = Oracle()
    cache: TokenCache[int] = TokenCache(2)
    await cache.get("a", oracle)
    await cache.get("b", oracle)
    await cache.get("a", oracle)
    await cache.get("c", oracle)
    assert (len(cache), oracle.asked) == (2, 3)
    await cache.get("a", oracle)
    assert oracle.asked == 3
    await cache.get("b", oracle)
    assert oracle.asked == 4


async def test_a_flood_of_tokens_does_not_grow_the_cache() -> None:
    cache: TokenCache[int] = TokenCache(100)
    oracle = Oracle()
    for number in range(1000):
        await cache.get(fingerprint(str(number)), oracle)
    assert len(cache) == 100


async def test_those_who_ask_at_once_share_one_answer_even_if_the_first_hangs_up() -> None:
    release, asked = asyncio.Event(), 0

    async def look() -> Kept[str]:
        nonlocal asked
        asked += 1
        await release.wait()
        return Kept("answer", 1.0)

    cache: TokenCache[str] = TokenCache(4)
    tasks = [asyncio.create_task(cache.get("k", look)) for _ in range(5)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    release.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert answers[1:] == ["answer"] * 4
    assert isinstance(answers[0], asyncio.CancelledError)
    assert asked == 1


async def test_a_failure_is_everybodys_and_is_not_remembered() -> None:
    async def fail() -> Kept[int]:
        raise OSError("away")

    cache: TokenCache[int] = TokenCache(4)
    answers = await asyncio.gather(*(cache.get("k", fail) for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [OSError] * 3
    assert await cache.get("k", Oracle()) == 1


def test_fingerprints_tell_apart_what_is_split_differently() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")


def test_credentials_are_read_from_their_headers() -> None:
    headers = [(b"x-auth-token", b"u"), (b"x-service-token", b"s"), (b"authorization", b"bearer b"), (b"other", b"o")]
    assert Credentials.of(headers) == Credentials("u", "s", "b")
    assert Credentials.of([]) == Credentials(None, None, None)
    assert Credentials.of([(b"authorization", b"Basic abc")]) == Credentials(None, None, None)


@pytest.mark.parametrize("name", [b"x-auth-token", b"x-service-token", b"authorization"])
def test_a_header_given_twice_is_refused(name: bytes) -> None:
    with pytest.raises(BadRequest, match="given twice"):
        Credentials.of([(name, b"a"), (name, b"a")])


@pytest.mark.parametrize("token", [b"a b", b"\xc3\xa4", b"a\x00b", b"x" * (LONGEST_TOKEN + 1)])
def test_what_cannot_be_a_token_is_refused_unasked(token: bytes) -> None:
    with pytest.raises(Unauthenticated):
        Credentials.of([(b"x-auth-token", token)])
