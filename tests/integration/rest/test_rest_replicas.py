"""Two facades behind no session affinity: what was done at one holds at the other, at once."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cluster import Cluster
from facades import facade
from fairlead_devstack.stack import Stack
from rest import NODE_1, NODE_2, Rest, connector

LIVES = 30


@pytest.fixture
def doors(stack: Stack, cluster: Cluster) -> Iterator[tuple[Rest, Rest]]:
    """The project at each replica."""
    with facade(stack, "replica") as other:
        yield Rest(stack.facade_url, cluster.namespace), Rest(other.url, cluster.namespace)


def test_no_call_is_refused_for_what_the_other_replica_has_not_heard(doors: tuple[Rest, Rest]) -> None:
    """Each call of a life goes to the other replica than the one before, and right after its answer."""
    for number in range(LIVES):
        turn = itertools.cycle(doors[:: -1 if number % 2 else 1])
        volume = next(turn).volume()
        first = next(turn).attach(volume)
        next(turn).complete(first["id"])
        assert next(turn).detach(first["id"]) == []
        second = next(turn).reserve(volume)
        next(turn).connect(second["id"])
        next(turn).detach(second["id"])
        next(turn).ok("DELETE", f"/volumes/{volume}", status=202)


def test_what_was_done_at_one_replica_is_soon_seen_at_the_other(doors: tuple[Rest, Rest]) -> None:
    """What is new is there at once; how what was known has changed, with the watch."""
    here, there = doors
    volume = here.volume()
    assert there.shown(volume)["id"] == volume
    id_ = here.attach(volume)["id"]
    assert there.ok("GET", f"/attachments/{id_}", status=200)["attachment"]["connection_info"]
    here.complete(id_)
    there.wait_status(volume, "in-use")
    here.detach(id_)
    there.wait_status(volume, "available")
    assert there.get(f"/attachments/{id_}").status == 404


def test_two_replicas_give_a_volume_to_one_of_two_callers(doors: tuple[Rest, Rest]) -> None:
    """The operator decides, whatever each replica thinks."""
    volume = doors[0].volume()
    asked = [{"attachment": {"volume_uuid": volume, "connector": connector(node)}} for node in (NODE_1, NODE_2)]
    for _ in range(LIVES // 3):
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda door, body: door.send("POST", "/attachments", body), doors, asked))
        assert sorted(answer.status for answer in answers) == [202, 400]
        [held] = [answer.body["attachment"]["id"] for answer in answers if answer.status == 202]
        doors[0].detach(held)
