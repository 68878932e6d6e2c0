"""Cutting a page out of a collection: filters, order, marker, offset, limit.

A filter that an index knows costs its own rows. Any other may have to look at all there are; then other requests get
their turns meanwhile.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Any, Final, Generic, TypeVar

from fairlead_api.cache.ordering import Ordering, place_of
from fairlead_api.lists.moments import parse_bounds, within
from fairlead_api.lists.query import LIKE, ListQuery, SortKey
from fairlead_api.protocol.faults import BadRequest
from fairlead_crds.kinds import Resource
from fairlead_kube.turns import in_turns

R = TypeVar("R", bound=Resource[Any, Any])

Column = Callable[[R], Any]
"""Reads a column of an item: a text, a number, a time or None."""

Match = Callable[[R, str], bool]
"""Whether an item matches a filter's value, for filters that are not a plain comparison."""

_Walk = Callable[[R | None], Iterator[R]]
"""Rows in the order of a list, from the beginning or after a given one."""

_AT_ONCE: Final = 256
"""Rows between two turns of other requests, after which a walk has to find its place again."""


@dataclass(frozen=True, kw_only=True)
class Table(Generic[R]):
    """A collection as the API's lists see it: rows in order of creation, columns to filter and sort by.

    Attributes:
        ordering: the rows.
        columns: what can be filtered and sorted by. A filter on another key matches nothing, as in the real service.
        matches: filters with a rule of their own.
        visible: which rows REST shows at all.
        moments: the columns that are times, which filters compare.
        indexed: rows that may have a value in a column, all of them and not many more, where an index knows.
    """

    ordering: Ordering[R]
    columns: Mapping[str, Column[R]]
    matches: Mapping[str, Match[R]]
    visible: Callable[[R], bool]
    moments: Collection[str] = ()
    indexed: Mapping[str, Callable[[str], Iterable[R]]] = field(default_factory=dict)

    async def page(
        self, query: ListQuery, filters: Sequence[tuple[str, str]], namespace: str | None, marker: R | None
    ) -> list[R]:
        """Return a page.

        Args:
            query: order, limit, offset.
            filters: what to match.
            namespace: whose rows; None: all.
            marker: the row after which the page begins.

        Raises:
            BadRequest: a sort key that is no column.
        """
        end = query.offset + query.limit
        if self._by_creation(query.sort):
            newest_first = not query.sort or query.sort[0].descending
            walk = self._walk(filters, namespace, newest_first=newest_first)
            found = await self._select(walk, filters, marker, enough=end)
        else:
            found = await self._sorted(query.sort, filters, namespace, marker)
        return found[query.offset : end]

    async def rows(self, filters: Sequence[tuple[str, str]], namespace: str | None) -> list[R]:
        """Return all rows that match, the newest first."""
        return await self._select(self._walk(filters, namespace, newest_first=True), filters, None)

    def _walk(self, filters: Sequence[tuple[str, str]], namespace: str | None, *, newest_first: bool) -> _Walk[R]:
        for key, value in filters:
            if (candidates := self.indexed.get(key)) is not None:
                mine = (row for row in candidates(value) if namespace in (None, row.metadata.namespace))
                return _in_order({row.metadata.uid: row for row in mine}.values(), newest_first=newest_first)
        ordering = self.ordering
        walk = ordering.newest_first if newest_first else ordering.oldest_first
        return lambda after: walk(namespace, after)

    async def _select(
        self, walk: _Walk[R], filters: Sequence[tuple[str, str]], after: R | None, *, enough: int | None = None
    ) -> list[R]:
        tests = [self._test(key, value) for key, value in filters]
        found: list[R] = []
        while True:
            looked_at = 0
            for row in islice(walk(after), _AT_ONCE):
                if len(found) == enough:
                    return found
                looked_at, after = looked_at + 1, row
                if self.visible(row) and all(test(row) for test in tests):
                    found.append(row)
            if looked_at < _AT_ONCE:
                return found
            await asyncio.sleep(0)

    def _test(self, key: str, value: str) -> Callable[[R], bool]:
        match = self.matches.get(key)
        if match is not None:
            return lambda row: match(row, value)
        if key.endswith(LIKE) and (column := self.columns.get(key.removesuffix(LIKE))) is not None:
            part = value.lower()
            return lambda row: (text := column(row)) is not None and part in _text(text).lower()
        if key in self.moments:
            bounds, moment = parse_bounds(key, value), self.columns[key]
            return lambda row: within(moment(row), bounds)
        exact = self.columns.get(key)
        if exact is None:
            return lambda row: False
        return lambda row: (text := exact(row)) is not None and _text(text) == value

    @staticmethod
    def _by_creation(sort: Sequence[SortKey]) -> bool:
        return not sort or (len(sort) == 1 and sort[0].name == "created_at")

    async def _sorted(
        self, sort: Sequence[SortKey], filters: Sequence[tuple[str, str]], namespace: str | None, marker: R | None
    ) -> list[R]:
        for key in sort:
            if key.name not in self.columns:
                raise BadRequest("Invalid input received: Invalid sort key")
        rows = await self.rows(filters, namespace)
        if marker is not None and all(row.metadata.uid != marker.metadata.uid for row in rows):
            rows.append(marker)
        # Creation and id break ties, in the direction of the first key; each sort is stable, so the last comes first.
        rows = await _sort(rows, place_of, descending=sort[0].descending)
        for key in reversed(sort):
            column = self.columns[key.name]
            rows = await _sort(rows, lambda row, column=column: _rank(column(row)), descending=key.descending)  # type: ignore[misc]
        if marker is None:
            return rows
        at = next(i for i, row in enumerate(rows) if row.metadata.uid == marker.metadata.uid)
        return rows[at + 1 :]


def _in_order(rows: Iterable[R], *, newest_first: bool) -> _Walk[R]:
    placed = sorted(((place_of(row), row) for row in rows), key=itemgetter(0), reverse=newest_first)

    def walk(after: R | None) -> Iterator[R]:
        if after is None:
            return (row for _, row in placed)
        begin = place_of(after)
        return (row for place, row in placed if (place < begin if newest_first else place > begin))

    return walk


async def _sort(rows: Iterable[R], key: Callable[[R], Any], *, descending: bool) -> list[R]:
    keyed = [(key(row), row) async for row in in_turns(rows)]
    keyed.sort(key=itemgetter(0), reverse=descending)
    return [row for _, row in keyed]


def _rank(value: Any) -> tuple[bool, Any]:
    """Order values as a database does: null before everything."""
    return (False, "") if value is None else (True, value)


def _text(value: Any) -> str:
    return str(value)
