"""The API server's refusals, as few classes with meaning."""

from collections.abc import Mapping
from typing import Any


class KubeError(Exception):
    """The API server did not do what was asked.

    Attributes:
        code: HTTP status; 0 when no answer came.
        reason: the server's one-word reason.
        message: the server's text.
    """

    def __init__(self, code: int, reason: str, message: str) -> None:
        super().__init__(f"{reason or code}: {message}")
        self.code = code
        self.reason = reason
        self.message = message


class NotFound(KubeError):
    """There is no such object."""


class AlreadyExists(KubeError):
    """An object of that name is there already."""


class Conflict(KubeError):
    """The object changed since it was read, or is not the one that was meant."""


class Forbidden(KubeError):
    """This identity may not do that, or an admission policy refused it."""


class Unauthorized(KubeError):
    """The API server does not know this identity."""


class Invalid(KubeError):
    """The object breaks a rule of its schema; the message says which."""


class Gone(KubeError):
    """The resource version is too old to watch from."""


class Unavailable(KubeError):
    """The API server cannot be reached or is overloaded. What was sent may or may not have happened."""


def from_status(code: int, body: Mapping[str, Any] | None) -> KubeError:
    """Make the error that an answer of the API server stands for."""
    body = body or {}
    reason, message = str(body.get("reason", "")), str(body.get("message", f"HTTP {code}"))
    if code == 409 and reason == "AlreadyExists":
        return AlreadyExists(code, reason, message)
    kinds: dict[int, type[KubeError]] = {
        400: Invalid,
        401: Unauthorized,
        403: Forbidden,
        404: NotFound,
        409: Conflict,
        410: Gone,
        422: Invalid,
    }
    kind = kinds.get(code, Unavailable if code == 429 or code >= 500 else KubeError)
    return kind(code, reason, message)
