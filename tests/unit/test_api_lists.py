"""Lists: parameters, filters, order, pages."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead_api.attachments import state
from fairlead_api.attachments.listing import scope
from fairlead_api.cache.ordering import Ordering
from fairlead_api.identity.caller import Caller
from fairlead_api.lists.page import Table
from fairlead_api.lists.query import MAXIMUM_LIMIT, ListQuery, SortKey, parse, permitted
from fairlead_api.protocol.faults import BadRequest
from fairlead_api.protocol.microversion import Microversion
from fairlead_crds.kinds import Attachment
from fairlead_kube.store import Store
from rest_objects import attachment

ADMIN = Caller("u", "p", admin=True)
MEMBER = Caller("u", "p")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("limit", "abc", "limit param must be an integer"),
        ("limit", "", "limit param must be an integer"),
        ("limit", "1.5", "limit param must be an integer"),
        ("limit", "1_0", "limit param must be an integer"),
        ("limit", "٣", "limit param must be an integer"),
        ("limit", "9" * 5000, "limit param must be an integer"),
        ("limit", "-1", "limit param must be positive"),
        ("offset", "abc", "offset must be an integer"),
        ("offset", "-1", "offset must be >= 0"),
        ("offset", "2147483648", "offset must be <= 2147483647"),
        ("sort", "id:up", "Unknown sort direction"),
        ("sort_dir", "up", "Unknown sort direction"),
    ],
)
def test_a_bad_parameter_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(BadRequest, match=message):
        parse([(name, value)])


def test_the_two_ways_to_sort_exclude_each_other() -> None:
    for other in ("sort_key", "sort_dir"):
        with pytest.raises(BadRequest, match="cannot be used with 'sort'"):
            parse([("sort", "id"), (other, "asc")])


def test_a_filter_given_twice_is_refused() -> None:
    with pytest.raises(BadRequest, match="more than once"):
        parse([("volume_id", "a"), ("volume_id", "b")])


def test_a_key_that_is_not_ascii_is_refused() -> None:
    with pytest.raises(BadRequest, match="Invalid filters"):
        parse([("fürbe", "rot")])


@pytest.mark.parametrize(
    ("pairs", "keys"),
    [
        ([], ()),
        ([("sort", "id")], (SortKey("id", True),)),
        ([("sort", "id:asc, created_at")], (SortKey("id", False), SortKey("created_at", True))),
        ([("sort_key", "id")], (SortKey("id", True),)),
        ([("sort_key", "id"), ("sort_dir", "asc")], (SortKey("id", False),)),
        ([("sort_dir", "asc")], (SortKey("created_at", False),)),
    ],
)
def test_without_a_direction_a_key_descends(pairs: list[tuple[str, str]], keys: tuple[SortKey, ...]) -> None:
    assert parse(pairs).sort == keys


@pytest.mark.parametrize(("limit", "cut"), [("0", 0), ("5", 5), ("100000", MAXIMUM_LIMIT)])
def test_a_limit_is_cut_to_the_most_there_is(limit: str, cut: int) -> None:
    assert parse([("limit", limit)]).limit == cut


@pytest.mark.parametrize(("version", "refused"), [("3.30", False), ("3.31", True), ("3.71", True)])
@pytest.mark.parametrize("key", ["colour", "instance_uuid", "volume_id~"])
def test_others_than_administrators_may_use_the_listed_filters_only(key: str, version: str, refused: bool) -> None:
    query = parse([(key, "x"), ("volume_id", "v")])
    allowed = ("volume_id", "status")
    if refused:
        with pytest.raises(BadRequest, match=f"Invalid filters {key} are found in query options."):
            permitted(query, allowed, admin=False, version=Microversion.parse(version))
    else:
        assert permitted(query, allowed, admin=False, version=Microversion.parse(version)) == (("volume_id", "v"),)
    assert permitted(query, allowed, admin=True, version=Microversion.parse(version)) == query.filters


@pytest.mark.parametrize(
    ("caller", "pairs", "expected"),
    [
        (ADMIN, [("all_tenants", "1")], (True, None)),
        (ADMIN, [("all_tenants", "banana")], (True, None)),
        (ADMIN, [("all_tenants", "")], (True, None)),
        (ADMIN, [("all_tenants", "0")], (False, None)),
        (ADMIN, [("all_tenants", "False")], (False, None)),
        (ADMIN, [], (False, None)),
        (ADMIN, [("all_tenants", "1"), ("project_id", "q")], (True, "q")),
        (ADMIN, [("project_id", "q")], (False, None)),
        (MEMBER, [("all_tenants", "1")], (False, None)),
    ],
)
def test_all_tenants_counts_by_its_value_and_for_administrators(
    caller: Caller, pairs: list[tuple[str, str]], expected: tuple[bool, str | None]
) -> None:
    everybody, project, rest = scope(caller, tuple(pairs))
    assert ((everybody, project), rest) == (expected, ())


def test_a_project_filter_stays_for_those_who_may_not_use_it() -> None:
    assert scope(MEMBER, (("project_id", "q"),))[2] == (("project_id", "q"),)


# --- pages -----------------------------------------------------------------------------------------------------------


def table(items: list[Attachment]) -> tuple[Store[Attachment], Table[Attachment]]:
    store: Store[Attachment] = Store()
    ordering = Ordering(store)
    for item in items:
        store.apply(item)
    return store, Table(
        ordering=ordering,
        columns={
            "id": lambda a: a.id,
            "instance_uuid": state.instance,
            "attach_status": state.attach_status,
            "created_at": lambda a: None,
        },
        matches={},
        visible=state.is_admitted,
    )


def page_of(
    rows: Table[Attachment],
    query: ListQuery,
    filters: tuple[tuple[str, str], ...],
    namespace: str | None,
    marker: Attachment | None,
) -> list[Attachment]:
    return asyncio.run(rows.page(query, filters, namespace, marker))


def numbered(number: int, **spec: Any) -> Attachment:
    return attachment(f"00000000-0000-4000-8000-{number:012d}", created=number, **spec)


def ids(rows: list[Attachment]) -> list[int]:
    return [int(row.id[-12:]) for row in rows]


FIVE = [numbered(n) for n in range(5)]


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([], [4, 3, 2, 1, 0]),
        ([("sort", "created_at:asc")], [0, 1, 2, 3, 4]),
        ([("sort", "id:asc")], [0, 1, 2, 3, 4]),
        ([("sort", "attach_status:asc")], [0, 1, 2, 3, 4]),
        ([("sort", "attach_status")], [4, 3, 2, 1, 0]),
        ([("limit", "2")], [4, 3]),
        ([("limit", "0")], []),
        ([("offset", "1"), ("limit", "2")], [3, 2]),
        ([("offset", "99")], []),
    ],
)
def test_pages_are_cut_in_order(pairs: list[tuple[str, str]], expected: list[int]) -> None:
    _, rows = table(FIVE)
    query = parse(pairs)
    assert ids(page_of(rows, query, query.filters, None, None)) == expected


@pytest.mark.parametrize("sort", [[], [("sort", "id")], [("sort", "created_at:asc")], [("sort", "instance_uuid:asc")]])
def test_a_page_begins_after_its_marker(sort: list[tuple[str, str]]) -> None:
    _, rows = table(FIVE)
    whole = page_of(rows, parse(sort), (), None, None)
    query = parse([*sort, ("limit", "2")])
    assert page_of(rows, query, (), None, whole[1]) == whole[2:4]


def test_a_marker_that_the_filters_leave_out_still_marks_its_place() -> None:
    items = [numbered(n, instanceID="odd" if n % 2 else "even") for n in range(6)]
    _, rows = table(items)
    for sort in ([], [("sort", "id")]):
        query = parse([*sort, ("instance_uuid", "odd")])
        assert ids(page_of(rows, query, query.filters, None, items[4])) == [3, 1]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("instance_uuid", "a", [0]),
        ("instance_uuid", "", []),
        ("instance_uuid~", "A", [0]),
        ("bogus", "1", []),
        ("attach_status", "reserved", [1, 0]),
        ("attach_status", "nonsense", []),
    ],
)
def test_a_filter_matches_a_column_exactly_or_in_part(key: str, value: str, expected: list[int]) -> None:
    _, rows = table([numbered(0, instanceID="a"), numbered(1)])
    assert ids(page_of(rows, parse([]), ((key, value),), None, None)) == expected


def test_a_sort_key_that_is_no_column_is_refused() -> None:
    _, rows = table(FIVE)
    for key in ("colour", "status", "instance"):
        with pytest.raises(BadRequest, match="Invalid sort key"):
            page_of(rows, parse([("sort", key)]), (), None, None)


def test_only_what_is_admitted_and_in_the_namespace_is_listed() -> None:
    _, rows = table([numbered(0), numbered(1, admitted=False), numbered(2, namespace="q")])
    assert ids(page_of(rows, parse([]), (), "p", None)) == [0]
    assert ids(page_of(rows, parse([]), (), None, None)) == [2, 0]


@given(st.lists(st.integers(0, 40), unique=True), st.data())
def test_walking_the_pages_while_others_come_and_go_misses_and_repeats_nothing(
    numbers: list[int], data: st.DataObject
) -> None:
    """Items that are there all the time are seen exactly once, whatever happens to the others between two pages."""
    store, rows = table([numbered(n) for n in numbers])
    stay = set(data.draw(st.sets(st.sampled_from(numbers)))) if numbers else set()
    query = parse([("limit", str(data.draw(st.integers(1, 5))))])
    seen: list[int] = []
    marker: Attachment | None = None
    fresh = 100
    while page := page_of(rows, query, (), None, marker):
        seen += ids(page)
        marker = page[-1]
        for number in data.draw(st.sets(st.sampled_from(numbers))) - stay:
            store.remove(numbered(number))
        if fresh < 110:
            store.apply(numbered(fresh))
            fresh += 1
    assert stay <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("sort", ["created_at", "created_at:asc", "id:asc"])
@given(data=st.data())
def test_an_index_changes_nothing_but_the_work(sort: str, data: st.DataObject) -> None:
    """With one and without one, a filter finds the same rows in the same order, from every marker on."""
    instances = st.sampled_from(["a", "b", None])
    items = [
        numbered(n, instanceID=data.draw(instances), namespace=data.draw(st.sampled_from(["p", "q"]))) for n in range(6)
    ]
    store, without = table(items)
    index = store.index(state.instance)
    # Rows that do not match and rows told twice are an index's right.
    withal = replace(without, indexed={"instance_uuid": lambda value: [*items[:2], *index.get(value), *items[:1]]})
    filters = (("instance_uuid", data.draw(st.sampled_from(["a", "b", "none such"]))),)
    namespace = data.draw(st.sampled_from([None, "p"]))
    marker = data.draw(st.sampled_from([None, *items]))
    query = parse([("sort", sort), ("limit", str(data.draw(st.integers(0, 4)))), ("offset", "1")])
    found = [page_of(rows, query, filters, namespace, marker) for rows in (without, withal)]
    assert found[0] == found[1]


@pytest.mark.parametrize("sort", ["created_at", "instance_uuid"])
async def test_a_look_at_very_many_rows_lets_others_have_their_turn(sort: str) -> None:
    _, rows = table([numbered(n) for n in range(2000)])
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    others = asyncio.create_task(count())
    assert await rows.page(parse([("sort", sort)]), (("attach_status", "nonsense"),), None, None) == []
    others.cancel()
    assert turns >= 2000 // 256


@pytest.mark.parametrize("sort", ["created_at", "created_at:asc"])
async def test_a_look_at_very_many_rows_misses_and_repeats_nothing_while_others_come_and_go(sort: str) -> None:
    count = 1000
    store, rows = table([numbered(n) for n in range(0, 2 * count, 2)])

    async def stir() -> None:
        for number in range(1, 2 * count, 2):
            store.apply(numbered(number))
            store.remove(numbered(2 * (number // 3)))
            if number % 99 == 0:
                await asyncio.sleep(0)

    others = asyncio.create_task(stir())
    found = ids(await rows.page(parse([("sort", sort), ("limit", str(2 * count))]), (), None, None))
    assert not others.done()
    await others
    gone = {2 * (number // 3) for number in range(1, 2 * count, 2)}
    assert set(range(0, 2 * count, 2)) - gone <= set(found)
    assert len(found) == len(set(found))
