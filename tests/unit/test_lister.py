"""What a process reads when it has to know everything: all of it, or only what is new."""

import json
from collections import Counter
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final

import pytest

from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import VOLUMES
from fairlead_kube.errors import Gone, KubeError, Unavailable
from fairlead_operator.lister import Lister
from fairlead_operator.view import View
from unit.model.api_server import ApiServer

PLACE: Final = "/apis/fairlead.dev/v1alpha1/namespaces/n/volumes"
AWAY: Final = Unavailable(0, "Unavailable", "connection refused")
TOO_OLD: Final = Gone(410, "Expired", "too old resource version")


class _Client(KubeClient):
    """The real client, on a simulated API server that may refuse a watch."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server
        self.streams_lists = True
        self.refusals: list[KubeError] = []
        self.whole: Counter[str] = Counter()
        """How often each kind was read whole."""
        self.since: list[str] = []
        """From which versions watches began."""
        self.breaks_after: int | None = None
        """A watch ends as if the connection were lost, after so many events."""

    async def request(self, method: str, path: str, **options: Any) -> Any:
        params = options.get("params") or {}
        if "fieldSelector" not in params:
            self.whole[path.rpartition("/")[2]] += 1
        return self._server.request("reader", method, path, params=params, body=None, content_type="", now="")

    async def lines(self, path: str, params: Mapping[str, str], *, silence: float) -> AsyncGenerator[bytes]:
        del silence
        if "sendInitialEvents" in params:
            self.whole[path.rpartition("/")[2]] += 1
        elif self.refusals:
            raise self.refusals.pop()
        else:
            self.since.append(params["resourceVersion"])
        for number, (kind, body) in enumerate(self._server.stream(path, params)):
            if number == self.breaks_after:
                raise AWAY
            yield json.dumps({"type": kind, "object": body}).encode()


class Reader:
    """Has read all of an API server that has the Volumes `stays` and `goes`; since then, much has happened."""

    def __init__(self, *, long: float = -1.0) -> None:
        self.server = ApiServer(lambda write: None)
        self.client = _Client(self.server)
        self.view = View()
        self.lister = Lister(self.client, self.view, long=long)
        self._write("POST", "", {"metadata": {"name": "stays"}, "spec": {"size": "1Gi"}})
        self._write("POST", "", {"metadata": {"name": "goes"}, "spec": {"size": "1Gi"}})

    async def read(self) -> None:
        """Know what there is, have its watch begin, and others change it."""
        await self.lister.list()
        self.view.watch.begun("volumes", "", self.server.version)
        self._write("PATCH", "/stays", {"spec": {"size": "2Gi"}})
        self._write("POST", "", {"metadata": {"name": "comes"}, "spec": {"size": "1Gi"}})
        self._write("PATCH", "/goes", {"spec": {"size": "2Gi"}})
        self._write("DELETE", "/goes", {})

    def _write(self, method: str, name: str, body: Any) -> None:
        now = "2030-01-01T00:00:00Z"
        self.server.request("kubectl", method, PLACE + name, params={}, body=body, content_type="merge", now=now)

    @property
    def knows(self) -> dict[str, str]:
        """The sizes of the Volumes in the view."""
        return {volume.metadata.name: volume.spec.size for volume in self.view.volumes}


BEFORE: Final = {"stays": "1Gi", "goes": "1Gi"}
NOW: Final = {"stays": "2Gi", "comes": "1Gi"}


async def test_of_what_takes_long_to_read_only_what_is_new_is() -> None:
    reader = Reader()
    await reader.read()
    assert reader.knows == BEFORE
    for _ in range(2):
        await reader.lister.catch_up()
        assert reader.knows == NOW
        assert reader.lister.version(VOLUMES) == str(reader.server.version)
    assert set(reader.client.whole.values()) == {1}


async def test_a_watch_goes_on_after_only_what_is_new_was_read() -> None:
    reader = Reader()
    assert await reader.lister.renew(VOLUMES) == str(reader.server.version)
    await reader.read()
    assert await reader.lister.renew(VOLUMES) == str(reader.server.version)
    assert reader.knows == NOW
    assert reader.client.whole["volumes"] == 2


async def test_a_try_that_breaks_off_has_not_been_in_vain() -> None:
    reader = Reader()
    await reader.read()
    reader.client.breaks_after = 2
    with pytest.raises(Unavailable):
        await reader.lister.renew(VOLUMES)
    assert reader.knows == BEFORE | NOW
    began, reader.client.breaks_after = reader.lister.version(VOLUMES), None
    await reader.lister.renew(VOLUMES)
    assert reader.knows == NOW
    assert reader.client.since[-1] == began


@pytest.mark.parametrize("why", ["it is quick", "lists are not streamed", "each namespace has a watch of its own"])
async def test_anything_else_is_read_whole(why: str) -> None:
    reader = Reader(long=60.0 if why == "it is quick" else -1.0)
    await reader.read()
    if why == "lists are not streamed":
        reader.client.streams_lists = False
    if why == "each namespace has a watch of its own":
        reader.client.namespaces = ("n",)
    await reader.lister.keep_up()
    assert reader.knows == BEFORE
    await reader.lister.catch_up()
    assert reader.knows == NOW
    assert reader.client.whole["volumes"] == 2


async def test_a_kind_that_was_never_read_is_read_whole() -> None:
    reader = Reader()
    await reader.lister.keep_up()
    assert not reader.client.whole
    await reader.lister.catch_up()
    assert reader.knows == BEFORE


@pytest.mark.parametrize("refusal", [TOO_OLD, AWAY], ids=["too old", "away"])
async def test_a_takeover_that_is_not_told_what_is_new_reads_everything(refusal: KubeError) -> None:
    reader = Reader()
    await reader.read()
    reader.client.refusals = [refusal] * len(reader.client.whole)
    await reader.lister.catch_up()
    assert reader.knows == NOW
    assert set(reader.client.whole.values()) == {2}


async def test_a_standby_reads_everything_only_when_what_is_new_is_no_longer_to_be_had() -> None:
    reader = Reader()
    await reader.read()
    reader.client.refusals = [AWAY]
    with pytest.raises(Unavailable):
        await reader.lister.keep_up()
    assert set(reader.client.whole.values()) == {1}
    reader.client.refusals = [TOO_OLD]
    await reader.lister.keep_up()
    assert reader.knows == NOW
    assert sorted(reader.client.whole.values()) == [1, 1, 1, 1, 2]


async def test_a_watch_that_is_behind_does_not_bring_back_what_was_gone_by_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However much was gone: more than a store remembers one by one."""
    monkeypatch.setattr("fairlead_kube.store._ENDS", 0)

    reader = Reader()
    await reader.read()
    late = reader.server.events["volumes"]
    await reader.lister.catch_up()
    for event in late:
        reader.view.volumes.take(event.type, event.item)
        assert reader.knows == NOW


async def test_the_watch_owes_what_was_heard_without_it() -> None:
    reader = Reader()
    await reader.read()
    assert reader.view.watch.lags["volumes"] == 0
    await reader.lister.catch_up()
    assert reader.view.watch.lags["volumes"] > 0
