"""A list's query: what selects, what orders and what cuts, told apart."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from fairlead_api.protocol.faults import BadRequest
from fairlead_api.protocol.microversion import STRICT_FILTERS, Microversion

MAXIMUM_LIMIT: Final = 1000
"""Items on a page at most (osapi_max_limit); more is cut to it silently."""

_MAXIMUM_OFFSET: Final = 2**31 - 1
_FALSE: Final = frozenset({"0", "f", "false", "off", "n", "no"})
_DIRECTIONS: Final = frozenset({"asc", "desc"})
_PARAMETERS: Final = ("limit", "marker", "offset", "sort", "sort_key", "sort_dir")

LIKE: Final = "~"
"""Ends the name of a filter that looks for a part of a text."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column to sort by."""

    name: str
    descending: bool


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a list request asks for.

    Attributes:
        filters: pairs to match, in order.
        sort: columns to sort by, the first first; empty: creation time, newest first.
        limit: items on the page at most.
        marker: id after which the page begins.
        offset: items to skip.
    """

    filters: tuple[tuple[str, str], ...]
    sort: tuple[SortKey, ...]
    limit: int
    marker: str | None
    offset: int


def parse(pairs: Sequence[tuple[str, str]]) -> ListQuery:
    """Read a list's query.

    Raises:
        BadRequest: a parameter is malformed or given twice.
    """
    seen: dict[str, str] = {}
    for key, value in pairs:
        if key in seen:
            raise BadRequest(f"Invalid input received: the query option {key} is given more than once.")
        if not key.isascii():
            raise BadRequest(f"Invalid filters {key} are found in query options.")
        seen[key] = value
    values = {name: seen.pop(name, None) for name in _PARAMETERS}
    return ListQuery(
        filters=tuple(seen.items()),
        sort=_sort(values["sort"], values["sort_key"], values["sort_dir"]),
        limit=_limit(values["limit"]),
        marker=values["marker"],
        offset=_offset(values["offset"]),
    )


def permitted(
    query: ListQuery, allowed: Collection[str], *, admin: bool, version: Microversion
) -> tuple[tuple[str, str], ...]:
    """Return the filters that apply: anybody's allowed ones, an administrator's all.

    Raises:
        BadRequest: others were given, from the version on that says so; before, they are dropped.
    """
    if admin:
        return query.filters
    refused = [key for key, _ in query.filters if key not in allowed]
    if refused and version >= STRICT_FILTERS:
        raise BadRequest(f"Invalid filters {','.join(refused)} are found in query options.")
    return tuple(pair for pair in query.filters if pair[0] in allowed)


def truth(text: str) -> bool:
    """Read a query's boolean: what does not say no means yes."""
    return text.strip().lower() not in _FALSE


def _sort(sort: str | None, sort_key: str | None, sort_dir: str | None) -> tuple[SortKey, ...]:
    if sort is not None and (sort_key is not None or sort_dir is not None):
        raise BadRequest("The 'sort_key' and 'sort_dir' parameters are deprecated and cannot be used with 'sort'.")
    if sort is not None:
        keys = []
        for part in sort.strip().split(","):
            name, _, direction = part.strip().partition(":")
            keys.append(_key(name or "created_at", direction or "desc"))
        return tuple(keys)
    if sort_key is None and sort_dir is None:
        return ()
    return (_key(sort_key or "created_at", sort_dir or "desc"),)


def _key(name: str, direction: str) -> SortKey:
    if direction not in _DIRECTIONS:
        raise BadRequest("Invalid input received: Unknown sort direction, must be one of: asc, desc")
    return SortKey(name, direction == "desc")


def _limit(text: str | None) -> int:
    if text is None:
        return MAXIMUM_LIMIT
    value = _integer(text)
    if value is None:
        raise BadRequest("limit param must be an integer")
    if value < 0:
        raise BadRequest("limit param must be positive")
    return min(value, MAXIMUM_LIMIT)


def _offset(text: str | None) -> int:
    if text is None:
        return 0
    value = _integer(text)
    if value is None:
        raise BadRequest("offset must be an integer")
    if value < 0:
        raise BadRequest("offset must be >= 0")
    if value > _MAXIMUM_OFFSET:
        raise BadRequest(f"offset must be <= {_MAXIMUM_OFFSET}")
    return value


def _integer(text: str) -> int | None:
    stripped = text.strip()
    digits = stripped.removeprefix("-").removeprefix("+")
    # int() would take other scripts' digits and underscores, and thousands of digits cost it a while.
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 20:
        return None
    return int(stripped)
