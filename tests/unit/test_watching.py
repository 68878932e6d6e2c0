"""Lists that come as the beginning of a watch."""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from fairlead_kube.client import KubeClient, Listing
from fairlead_kube.endpoints import NAMESPACES
from fairlead_kube.errors import Gone, Invalid, Unavailable
from fairlead_kube.watching import read_all, streams_lists

_END = {"k8s.io/initial-events-end": "true"}


class _Client(KubeClient):
    """Answers with the events it is given."""

    def __init__(self, *events: tuple[str, Mapping[str, Any]], refuses: bool = False) -> None:
        self._events = events
        self._refuses = refuses
        self.asked: list[Mapping[str, str]] = []

    async def lines(self, path: str, params: Mapping[str, str], *, silence: float) -> AsyncGenerator[bytes]:
        del path, silence
        self.asked.append(params)
        if self._refuses:
            raise Invalid(422, "Invalid", "sendInitialEvents is forbidden")
        for kind, body in self._events:
            yield json.dumps({"type": kind, "object": body}).encode()

    async def request(self, *_: Any, **__: Any) -> Any:
        return {"items": [_body("paged", 3)], "metadata": {"resourceVersion": "3"}}


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


def test_half_a_list_is_none() -> None:
    with pytest.raises(Unavailable, match="before it was whole"):
        _read(_Client(("ADDED", _body("a", 1))))


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
