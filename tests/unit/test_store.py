"""The in-memory copy of one kind: news may come late, twice, or in the wrong order, and it does not go back."""

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from fairlead_crds.kinds import Attachment
from fairlead_kube.store import Change, Store, key_of, version_of
from unit.model.objects import attachment, metadata
from unit.model.virtual_time import VirtualTimeLoop


def item(name: str = "a", *, version: int = 1, uid: str = "", **changes: Any) -> Attachment:
    """An Attachment in that version."""
    return attachment(name, meta=metadata(name, uid=uid, version=version, **changes), volume_name=f"v{version}")


@pytest.fixture
def store() -> Store[Attachment]:
    return Store()


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.finish()


def versions(store: Store[Attachment]) -> dict[str, int]:
    return {found.metadata.name: version_of(found) for found in store}


@pytest.mark.parametrize("order", list(itertools.permutations([1, 2, 3])))
def test_the_newest_version_wins_in_whatever_order_they_come(store: Store[Attachment], order: tuple[int, ...]) -> None:
    """Matrix: every order of three versions."""
    for version in order:
        store.apply(item(version=version))
    assert versions(store) == {"a": 3}


def test_versions_are_numbers_not_words(store: Store[Attachment]) -> None:
    store.apply(item(version=9))
    assert store.apply(item(version=10))


def test_a_version_that_is_known_is_no_change(store: Store[Attachment]) -> None:
    store.apply(item())
    heard: list[Change[Attachment]] = []
    store.listen(heard.append)
    assert (store.apply(item()), heard) == (False, [])


def test_what_is_gone_does_not_come_back_with_a_late_event(store: Store[Attachment]) -> None:
    store.apply(item(version=5))
    store.remove(item(version=5))
    assert (store.apply(item(version=9)), versions(store)) == (False, {})


def test_what_is_gone_before_it_was_known_does_not_come_either(store: Store[Attachment]) -> None:
    store.remove(item(version=5))
    assert not store.apply(item(version=4))


def test_another_object_of_the_name_is_another(store: Store[Attachment]) -> None:
    store.apply(item(version=5))
    store.remove(item(version=5))
    store.apply(item(version=9, uid="another"))
    assert versions(store) == {"a": 9}


def test_the_end_of_an_object_does_not_take_its_namesake_away(store: Store[Attachment]) -> None:
    """The new one was seen before the old one's end was heard of."""
    store.apply(item(version=9, uid="another"))
    assert (store.remove(item(version=5)), versions(store)) == (False, {"a": 9})


def test_the_answer_that_took_the_last_finalizer_off_is_an_end(store: Store[Attachment]) -> None:
    """It carries the resourceVersion that the object had before, so it must not lose to what is known."""
    store.apply(item(version=5, deleting=True))
    store.apply(item(version=5, deleting=True, finalizers=()))
    assert versions(store) == {}


def test_another_s_finalizer_keeps_it(store: Store[Attachment]) -> None:
    store.apply(item(version=5, deleting=True, finalizers=("another/finalizer",)))
    assert versions(store) == {"a": 5}


@pytest.mark.parametrize("known", [None, 3, 7, 12])
@pytest.mark.parametrize("listed", [None, 5])
async def test_a_list_is_the_truth_of_its_moment(
    store: Store[Attachment], known: int | None, listed: int | None
) -> None:
    """Matrix: what was known (nothing, older, newer than the item, newer than the list) x what a list at 10 has."""
    if known is not None:
        store.apply(item(version=known))
    await store.replace([item(version=listed)] if listed else [], "10")
    kept = known if known is not None and (known > 10 or listed is not None) else 0
    newest = max(kept, listed or 0)
    assert versions(store) == ({"a": newest} if newest else {})


async def test_a_list_that_lacks_an_object_ends_it_for_good(store: Store[Attachment]) -> None:
    store.apply(item(version=3))
    await store.replace([], "10")
    assert not store.apply(item(version=4))


async def test_a_filtered_list_tells_only_of_what_the_filter_lets_through(store: Store[Attachment]) -> None:
    store.apply(item("mine", version=3))
    store.apply(item("other", version=3))
    await store.replace([], "10", among=lambda a: a.metadata.name == "mine")
    assert versions(store) == {"other": 3}


def test_what_left_a_filtered_watch_comes_back_with_a_later_version_only(store: Store[Attachment]) -> None:
    """Its label changed and changed back: the watch says that it is gone, and then that it is new."""
    store.apply(item(version=3))
    store.remove(item(version=7), version=7)
    late = store.apply(item(version=5))
    assert (late, store.apply(item(version=8)), versions(store)) == (False, True, {"a": 8})


async def test_what_left_a_filter_is_there_in_the_same_version_when_a_later_list_says_so(
    store: Store[Attachment],
) -> None:
    """What is looked at may change without the object: a Backend that goes makes its Attachments the controller's."""
    store.remove(item(version=7), version=7)
    await store.replace([item(version=7)], "9")
    assert versions(store) == {"a": 7}


def test_an_end_that_is_older_than_what_we_know_ends_nothing(store: Store[Attachment]) -> None:
    store.apply(item(version=8))
    assert (store.remove(item(version=7), version=7), versions(store)) == (False, {"a": 8})


async def test_a_list_with_a_namesake_ends_the_old_one(store: Store[Attachment]) -> None:
    store.apply(item(version=3))
    await store.replace([item(version=8, uid="another")], "10")
    late = store.apply(item(version=9))
    assert (late, versions(store)) == (False, {"a": 8})


async def test_a_list_that_is_older_than_a_namesake_we_know_takes_nothing_away(store: Store[Attachment]) -> None:
    store.apply(item(version=12, uid="another"))
    await store.replace([item(version=3)], "10")
    assert versions(store) == {"a": 12}


async def test_while_a_list_is_read_no_end_is_forgotten(
    store: Store[Attachment], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last page of a long list still shows what ended after the first."""
    monkeypatch.setattr("fairlead_kube.store._ENDS", 2)
    with store.listing():
        for number in range(5):
            store.remove(item(f"a{number}", uid=f"u{number}"))
        await store.replace([item("a0", uid="u0", version=3)], "10")
        assert versions(store) == {}
    assert store.apply(item("a0", uid="u0", version=11))


async def test_a_list_speaks_against_what_a_late_watch_tells(store: Store[Attachment]) -> None:
    """It was made and ended before the list, and nobody here has ever seen it."""
    await store.replace([item("listed", version=9)], "10")
    late, new = store.apply(item(version=7)), store.apply(item("listed", version=11))
    assert (late, new, versions(store)) == (False, True, {"listed": 11})
    assert store.apply(item(version=12, uid="its namesake"))


async def test_a_filtered_list_speaks_only_against_what_the_filter_lets_through(store: Store[Attachment]) -> None:
    await store.replace([], "10", among=lambda a: a.metadata.name == "mine")
    assert [store.apply(item(name, version=7)) for name in ("mine", "other")] == [False, True]


async def test_a_list_of_a_moment_speaks_against_nothing_that_comes_later(store: Store[Attachment]) -> None:
    await store.replace([], "10", among=lambda a: a.metadata.name == "mine", lasting=False)
    assert store.apply(item("mine", version=7))


@pytest.mark.parametrize("by_list", [True, False])
async def test_an_earlier_bearer_of_a_name_does_not_come_after_a_later_one_s_end(
    store: Store[Attachment], by_list: bool
) -> None:
    """Matrix: it comes with a late event, or with an old list."""
    store.apply(item(version=8, uid="later"))
    store.remove(item(version=9, uid="later"))
    if by_list:
        await store.replace([item(version=3, uid="earlier")], "5")
    else:
        store.apply(item(version=3, uid="earlier"))
    assert versions(store) == {}


async def test_a_long_list_lets_others_have_their_turn(
    store: Store[Attachment], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlead_kube.turns.TURN", 0.0)
    seen: list[int] = []
    replacing = asyncio.create_task(store.replace([item(f"a{n}", uid=f"u{n}") for n in range(20)], "10"))
    while not replacing.done():
        seen.append(len(store))
        await asyncio.sleep(0)
    assert len(set(seen)) > 4
    assert len(store) == 20


def test_an_object_in_a_known_version_need_not_be_read_again(store: Store[Attachment]) -> None:
    known = item(version=7)
    store.apply(known)

    def body(version: int, uid: str = known.metadata.uid) -> dict[str, Any]:
        return {"metadata": {"name": "a", "namespace": "n", "uid": uid, "resourceVersion": str(version)}}

    assert store.in_version(body(7)) is known
    assert (store.in_version(body(8)), store.in_version(body(7, "another"))) == (None, None)


def test_a_lasting_change_is_told_with_both_sides(store: Store[Attachment]) -> None:
    heard: list[Change[Attachment]] = []
    store.listen(heard.append)
    one, two = item(version=1), item(version=2)
    store.apply(one)
    store.apply(two)
    store.remove(two)
    assert [(c.before, c.after, c.object) for c in heard] == [(None, one, one), (one, two, two), (two, None, two)]


def test_an_index_follows_changes_of_its_value(store: Store[Attachment]) -> None:
    index = store.index(lambda a: a.spec.volume_name)
    store.apply(item(version=1))
    store.apply(item(version=2))
    assert (index.get("v1"), [key_of(a) for a in index.get("v2")]) == ([], [("n", "a")])


def test_an_index_forgets_what_is_gone(store: Store[Attachment]) -> None:
    index = store.index(lambda a: a.spec.volume_name)
    store.apply(item())
    store.remove(item())
    assert index.get("v1") == []


def test_an_index_knows_what_was_there_before_it(store: Store[Attachment]) -> None:
    store.apply(item())
    assert len(store.index(lambda a: a.spec.volume_name).get("v1")) == 1


def test_an_index_holds_groups_as_they_grow_and_shrink(store: Store[Attachment]) -> None:
    index = store.index(lambda a: a.metadata.namespace)
    for name in ("a", "b", "c"):
        store.apply(item(name, uid=name))
    assert [a.metadata.name for a in index.get("n")] == ["a", "b", "c"]
    for name in ("a", "b", "c"):
        store.remove(item(name, uid=name))
    store.apply(item("d", uid="d"))
    assert [a.metadata.name for a in index.get("n")] == ["d"]


def test_an_index_leaves_out_what_has_no_value(store: Store[Attachment]) -> None:
    index = store.index(lambda a: a.spec.instance_id)
    store.apply(item())
    assert index.get(None) == []


async def test_an_index_moves_with_the_name_when_the_object_is_another(store: Store[Attachment]) -> None:
    index = store.index(lambda a: a.metadata.uid)
    store.apply(item(version=3))
    await store.replace([item(version=8, uid="another")], "10")
    assert (index.get("uid-a"), len(index.get("another"))) == ([], 1)


@pytest.mark.parametrize("there", [True, False])
def test_waiting_for_what_holds_already_takes_no_time(
    loop: VirtualTimeLoop, store: Store[Attachment], there: bool
) -> None:
    """Matrix: waiting for presence, for absence."""
    if there:
        store.apply(item())
    waiting = loop.create_task(store.wait("a", "n", lambda found: (found is not None) is there))
    loop.settle()
    assert waiting.done()


def test_a_waiter_wakes_when_its_object_is_as_it_wants(loop: VirtualTimeLoop, store: Store[Attachment]) -> None:
    waiting = loop.create_task(store.wait("a", "n", lambda found: found is not None and version_of(found) == 3))
    seen = []
    for version in (1, 2, 3):
        loop.call_soon(store.apply, item(version=version))
        loop.settle()
        seen.append(waiting.done())
    assert seen == [False, False, True]


def test_a_waiter_hears_of_the_end(loop: VirtualTimeLoop, store: Store[Attachment]) -> None:
    store.apply(item())
    waiting = loop.create_task(store.wait("a", "n", lambda found: found is None))
    loop.settle()
    loop.call_soon(store.remove, item())
    loop.settle()
    assert waiting.done()


def test_a_waiter_that_gives_up_is_forgotten(loop: VirtualTimeLoop, store: Store[Attachment]) -> None:
    """Another one for the same object goes on waiting."""
    first, second = (loop.create_task(store.wait("a", "n", lambda found: found is not None)) for _ in range(2))
    loop.settle()
    first.cancel()
    loop.call_soon(store.apply, item())
    loop.settle()
    assert (first.cancelled(), second.done()) == (True, True)
