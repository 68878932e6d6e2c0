"""Models for keeping: the same values in a third of the memory.

pydantic gives each instance a dictionary of its own and a set of the fields that were given. With a hundred thousand
objects in memory these are most of it. A compact instance keeps its values the way Python keeps those of plain classes,
and shares what is equal: sets of fields, empty maps, times.
"""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)

_EMPTY: Final[dict[str, Any]] = {}
_fields_sets: dict[frozenset[str], set[str]] = {}


def compact(model: M) -> M:
    """Return an equal model, of frozen models only, that takes less memory."""
    return _model(model, {})


def _model(model: M, times: dict[datetime, datetime]) -> M:
    fresh = model.__class__.__new__(model.__class__)
    # One by one and never through __dict__: only so do instances of a class share the dictionary of their names.
    for name, value in model.__dict__.items():
        object.__setattr__(fresh, name, _value(value, times))
    given = frozenset(model.__pydantic_fields_set__)
    object.__setattr__(fresh, "__pydantic_fields_set__", _fields_sets.setdefault(given, set(given)))
    object.__setattr__(fresh, "__pydantic_extra__", None)
    object.__setattr__(fresh, "__pydantic_private__", None)
    return fresh


def _value(value: Any, times: dict[datetime, datetime]) -> Any:
    kind = type(value)
    if kind is datetime:
        known = times.get(value)
        if known is None:
            # pydantic makes a time zone for each time.
            known = times[value] = value.replace(tzinfo=UTC) if value.utcoffset() == _NO_OFFSET else value
        return known
    if kind is tuple:
        return tuple([_value(item, times) for item in value])
    if kind is dict:
        return value or _EMPTY
    return _model(value, times) if isinstance(value, BaseModel) else value


_NO_OFFSET: Final = UTC.utcoffset(None)
