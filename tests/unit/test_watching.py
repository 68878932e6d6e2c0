"""Lists that come as the beginning of a watch, and watches that end when all is known."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from fairlead_kube.client import KubeClient, Listing
from fairlead_kube.endpoints import NAMESPACES
from fairlead_kube.errors import Gone, Invalid, Unavailable
from fairlead_kube.watching import Event, changes_until_now, read_all, streams_lists

_END = {"k8s.io/initial-events-end": "true"}


class _Client(KubeClient):
    """Answers with the events it is given."""

    def __init__(self, *events: tuple[str, Mapping[str, Any]], refuses: bool = False, now: int = 3) -> None:
        self._events = events
        self._refuses = refuses
        self._now = now
        self.asked: list[Mapping[str, str]] = []

    async def lines(self, path: str, params: Mapping[str, str], *, silence: float) -> AsyncGenerator[bytes]:
        del path, silence
        self.asked.append(params)
        if self._refuses:
            raise Invalid(422, "Invalid", "sendInitialEvents is forbidden")
        for kind, body in self._events:
            yield json.dumps({"type": kind, "object": body}).encode()

    async def request(self, *_: Any, **__: Any) -> Any:
        return {"items": [_body("paged", 3)], "metadata": {"resourceVersion": str(self._now)}}


def _body(name: str, version: int, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version), **more}}


def _read(client: KubeClient) -> Listing[Any]:
    return asyncio.run(read_all(client, NAMESPACES))


def test_what_changes_before_the_list_is_whole_counts() -> None:
    client = _Client(
        ("ADDED", _body("a", 1)),
        ("ADDED", _body("b", 2)),
        ("ADDED", _body("c", 3)),
        ("MODIFIED", _body("a", 4)),
        ("DELETED", _body("b", 5)),
        ("BOOKMARK", _body("", 6)),
        ("ADDED", _body("d", 7)),
        ("BOOKMARK", _body("", 8, annotations=_END)),
        ("ADDED", _body("of the watch that follows", 9)),
    )
    listing = _read(client)
    assert {(i["metadata"]["name"], i["metadata"]["resourceVersion"]) for i in listing.items} == {
        ("a", "4"),
        ("c", "3"),
        ("d", "7"),
    }
    assert listing.resource_version == "8"


def test_a_list_that_the_server_ends_half_way_comes_in_pages() -> None:
    """What has come is not read again, unless it has changed."""
    client = _Client(("ADDED", _body("paged", 3, came="by stream")), ("ADDED", _body("gone since", 1)))
    (item,) = _read(client).items
    assert item["metadata"] == _body("paged", 3, came="by stream")["metadata"]
    client = _Client(("ADDED", _body("paged", 2, came="by stream")))
    (item,) = _read(client).items
    assert item["metadata"] == _body("paged", 3)["metadata"]


def test_an_error_in_the_stream_is_raised() -> None:
    with pytest.raises(Gone):
        _read(_Client(("ADDED", _body("a", 1)), ("ERROR", {"code": 410, "reason": "Expired"})))


def test_pages_where_the_server_does_not_stream_and_it_is_asked_once() -> None:
    client = _Client(refuses=True)
    for _ in range(2):
        listing = _read(client)
        assert [item["metadata"]["name"] for item in listing.items] == ["paged"]
    assert len(client.asked) == 1
    assert client.streams_lists is False


def test_pages_where_another_server_answers_that_does_not_stream() -> None:
    client = _Client(refuses=True)
    client.streams_lists = True
    assert [item["metadata"]["name"] for item in _read(client).items] == ["paged"]
    assert client.streams_lists is None


def test_an_empty_cluster_shows_that_the_server_streams() -> None:
    client = _Client(("BOOKMARK", _body("", 1, annotations=_END)))
    assert asyncio.run(streams_lists(client))
    assert client.asked[0]["sendInitialEvents"] == "true"
    assert "resourceVersion" not in client.asked[0]


# --- what is new -----------------------------------------------------------------------------------------------------

CHANGES = (
    ("MODIFIED", _body("a", 7)),
    ("DELETED", _body("b", 9)),
    ("BOOKMARK", _body("", 12)),
    ("ADDED", _body("c", 13)),
)


def _changes(client: KubeClient, since: int = 5) -> list[Event]:
    async def hear() -> list[Event]:
        return [event async for event in changes_until_now(client, NAMESPACES, str(since))]

    return asyncio.run(hear())


@pytest.mark.parametrize(("now", "told"), [(9, 2), (10, 3), (12, 3), (13, 4)])
def test_changes_are_told_up_to_the_version_that_there_is(now: int, told: int) -> None:
    """A bookmark says that nothing else happened up to it, where the newest version is of another kind."""
    client = _Client(*CHANGES, now=now)
    assert _changes(client) == [*CHANGES[:told]]
    assert [asked["resourceVersion"] for asked in client.asked] == ["5"]


def test_where_nothing_is_new_nothing_is_asked() -> None:
    client = _Client(*CHANGES, now=5)
    assert _changes(client) == []
    assert client.asked == []


def test_a_watch_that_ends_early_goes_on_where_it_was_but_not_forever() -> None:
    client = _Client(*CHANGES, now=14)
    with pytest.raises(Unavailable, match="version 14"):
        _changes(client)
    versions = [asked["resourceVersion"] for asked in client.asked]
    assert versions[:2] == ["5", "13"]
    assert 1 < len(versions) < 10


def test_changes_from_too_long_ago_are_not_to_be_had() -> None:
    with pytest.raises(Gone):
        _changes(_Client(("ERROR", {"code": 410, "reason": "Expired"}), now=9))
