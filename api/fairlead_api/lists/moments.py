"""Filters by time: `created_at=gte:2026-11-24T02:03:50,lt:2026-11-25T00:00:00`, as microversion 3.60 has them."""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from fairlead_api.protocol.faults import BadRequest

Bound = tuple[Callable[[str, str], bool], str]
"""A comparison and the moment to compare with, as the API writes moments; those sort as texts."""

_COMPARISONS: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "gt": operator.gt,
    "gte": operator.ge,
    "eq": operator.eq,
    "neq": operator.ne,
    "lt": operator.lt,
    "lte": operator.le,
}


@lru_cache(maxsize=256)
def parse_bounds(key: str, text: str) -> tuple[Bound, ...]:
    """Return what a filter by time asks for; all of it must hold. A moment alone means equality.

    Raises:
        BadRequest: a comparison or a moment is none.
    """
    bounds = []
    for part in text.split(","):
        name, colon, rest = part.strip().partition(":")
        # A bare moment has colons too, and begins with a digit.
        named = bool(colon) and not name[:1].isdigit()
        comparison = _COMPARISONS.get(name.lower() if named else "eq")
        moment = _moment(rest if named else part)
        if comparison is None or moment is None:
            raise BadRequest(
                f"Invalid input received: Filter {key} must be comparisons such as gte:2026-11-24T02:03:50, "
                f"of {', '.join(_COMPARISONS)}, separated by commas."
            )
        bounds.append((comparison, moment))
    return tuple(bounds)


def within(text: str | None, bounds: tuple[Bound, ...]) -> bool:
    """Whether a moment, as the API writes it, meets all bounds; one that never was meets none."""
    return text is not None and all(compare(text, bound) for compare, bound in bounds)


def _moment(text: str) -> str | None:
    """An ISO 8601 moment as the API writes it: UTC, six digits, no zone. Without a zone it is UTC."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" ", "+"))
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return moment.isoformat(timespec="microseconds")
