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
_NO_OFFSET: Final = UTC.utcoffset(None)
_as_they_are: set[type] = {str, int, bool, type(None)}
"""Types whose values are kept as they are; more are added as they are met."""
_fields_sets: dict[frozenset[str], set[str]] = {}
_set: Final = object.__setattr__


def compact(model: M) -> M:
    """Return an equal model, of frozen models only, that takes less memory."""
    return _model(model, {})


def _model(model: M, times: dict[datetime, datetime]) -> M:
    fresh = model.__class__.__new__(model.__class__)
    # One by one and never through __dict__: only so do instances of a class share the dictionary of their names.
    for name, value in model.__dict__.items():
        _set(fresh, name, value if value.__class__ in _as_they_are else _value(value, times))
    given = frozenset(model.__pydantic_fields_set__)
    fields = _fields_sets.get(given)
    if fields is None:
        fields = _fields_sets[given] = set(given)
    _set(fresh, "__pydantic_fields_set__", fields)
    _set(fresh, "__pydantic_extra__", None)
    _set(fresh, "__pydantic_private__", None)
    return fresh


def _value(value: Any, times: dict[datetime, datetime]) -> Any:
    if isinstance(value, BaseModel):
        return _model(value, times)
    if value.__class__ is datetime:
        known = times.get(value)
        if known is None:
            # pydantic makes a time zone for each time.
            known = times[value] = value.replace(tzinfo=UTC) if value.utcoffset() == _NO_OFFSET else value
        return known
    if value.__class__ is tuple:
        return tuple([item if item.__class__ in _as_they_are else _value(item, times) for item in value])
    if value.__class__ is dict:
        return value or _EMPTY
    _as_they_are.add(value.__class__)
    return value
