"""Cutting a page out of a collection: filters, order, marker, offset, limit."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Generic, TypeVar

from fairlead_api.cache.ordering import Ordering, created_at
from fairlead_api.lists.moments import parse_bounds, within
from fairlead_api.lists.query import LIKE, ListQuery, SortKey
from fairlead_api.protocol.faults import BadRequest
from fairlead_crds.kinds import Resource

R = TypeVar("R", bound=Resource[Any, Any])

Column = Callable[[R], Any]
"""Reads a column of an item: a text, a number, a time or None."""

Match = Callable[[R, str], bool]
"""Whether an item matches a filter's value, for filters that are not a plain comparison."""


@dataclass(frozen=True, kw_only=True)
class Table(Generic[R]):
    """A collection as the API's lists see it: rows in order of creation, columns to filter and sort by.

    Attributes:
        ordering: the rows.
        columns: what can be filtered and sorted by. A filter on another key matches nothing, as in the real service.
        matches: filters with a rule of their own.
        visible: which rows REST shows at all.
        moments: the columns that are times, which filters compare.
    """

    ordering: Ordering[R]
    columns: Mapping[str, Column[R]]
    matches: Mapping[str, Match[R]]
    visible: Callable[[R], bool]
    moments: Collection[str] = ()

    def page(
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
        if self._by_creation(query.sort):
            newest_first = not query.sort or query.sort[0].descending
            walk = self.ordering.newest_first if newest_first else self.ordering.oldest_first
            found = self.select(walk(namespace, marker), filters)
        else:
            found = iter(self._sorted(query.sort, filters, namespace, marker))
        return list(islice(found, query.offset, query.offset + query.limit))

    def rows(self, filters: Sequence[tuple[str, str]], namespace: str | None) -> Iterator[R]:
        """Yield all rows that match, the newest first."""
        return self.select(self.ordering.newest_first(namespace), filters)

    def select(self, rows: Iterable[R], filters: Sequence[tuple[str, str]]) -> Iterator[R]:
        """Yield the rows that match."""
        tests = [self._test(key, value) for key, value in filters]
        return (row for row in rows if self.visible(row) and all(test(row) for test in tests))

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

    def _sorted(
        self, sort: Sequence[SortKey], filters: Sequence[tuple[str, str]], namespace: str | None, marker: R | None
    ) -> list[R]:
        for key in sort:
            if key.name not in self.columns:
                raise BadRequest("Invalid input received: Invalid sort key")
        rows = list(self.rows(filters, namespace))
        if marker is not None and all(row.metadata.uid != marker.metadata.uid for row in rows):
            rows.append(marker)
        # Creation and id break ties, in the direction of the first key; each sort is stable, so the last comes first.
        tie = sort[0].descending
        rows.sort(key=lambda row: (created_at(row), row.id), reverse=tie)
        for key in reversed(sort):
            column = self.columns[key.name]
            rows.sort(key=lambda row, column=column: _rank(column(row)), reverse=key.descending)  # type: ignore[misc]
        if marker is None:
            return rows
        at = next(i for i, row in enumerate(rows) if row.metadata.uid == marker.metadata.uid)
        return rows[at + 1 :]


def _rank(value: Any) -> tuple[bool, Any]:
    """Order values as a database does: null before everything."""
    return (False, "") if value is None else (True, value)


def _text(value: Any) -> str:
    return str(value)
