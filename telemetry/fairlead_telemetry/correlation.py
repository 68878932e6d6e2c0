"""What the work under way belongs to: the request that caused it, the object it is about.

Kept in the context of a task, so that each log line made in it can say so without being told.
"""

import contextlib
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from typing import Final

REQUEST_ID: Final = "request_id"
OBJECT: Final = "object"
BACKEND: Final = "backend"

_fields: ContextVar[Mapping[str, str]] = ContextVar("fairlead_correlation", default={})  # noqa: B039 - never changed


def current() -> Mapping[str, str]:
    """What is known of the work under way, by field."""
    return _fields.get()


def request_id() -> str | None:
    """The request that the work under way belongs to."""
    return _fields.get().get(REQUEST_ID)


@contextlib.contextmanager
def bound(**fields: str | None) -> Iterator[None]:
    """Add fields to what is known, for a while; None leaves one out."""
    known = {**_fields.get(), **{name: value for name, value in fields.items() if value is not None}}
    token = _fields.set(known)
    try:
        yield
    finally:
        _fields.reset(token)
