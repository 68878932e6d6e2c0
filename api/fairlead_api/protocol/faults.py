"""Faults: refusals in the API's own shape.

The shape and the names are those of the Block Storage API: `{"<name>": {"code": N, "message": "..."}}`. Clients take
the message of the first key whatever its name; only the status and, for some, the name matter to programs.
"""

from collections.abc import Mapping
from typing import ClassVar

from pydantic_core import to_json

from fairlead_kube import errors as kube

NAMES: Mapping[int, str] = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    405: "badMethod",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
    501: "notImplemented",
    503: "serviceUnavailable",
}
OTHER = "computeFault"
"""The name of a fault with any other status: 406, 500, 504."""

GENERIC: Mapping[int, str] = {
    400: "The server could not comply with the request since it is either malformed or otherwise incorrect.",
    404: "The resource could not be found.",
    500: "The server has either erred or is incapable of performing the requested operation.",
    503: "The server is currently unavailable. Please try again at a later time.",
}


class Fault(Exception):
    """An answer other than success. The message is for the caller to read, so it never carries a secret."""

    status: ClassVar[int] = 500

    def __init__(self, message: str = "") -> None:
        super().__init__(message)
        self.message = message or GENERIC.get(self.status, "")

    def content(self) -> bytes:
        """The answer's body."""
        name = NAMES.get(self.status, OTHER)
        return to_json({name: {"code": self.status, "message": self.message}})


class BadRequest(Fault):
    """The request breaks a rule, or the state of things forbids it: the API answers both with 400."""

    status = 400


class Forbidden(Fault):
    """This caller may not."""

    status = 403


class NotFound(Fault):
    """There is no such thing for this caller, or not at this microversion."""

    status = 404


class NotAcceptable(Fault):
    """The microversion is out of range."""

    status = 406


class Conflict(Fault):
    """Something else stands in the way."""

    status = 409


class UnsupportedMediaType(Fault):
    """The body is not JSON."""

    status = 415


class BackendFailed(Fault):
    """The storage did not do what was asked; the message carries the driver's reason."""

    status = 500


class Unavailable(Fault):
    """The facade cannot serve at the moment."""

    status = 503


class TimedOut(Fault):
    """The operator did not finish within the time limit."""

    status = 504


def from_kube(error: kube.KubeError) -> Fault:
    """Say an API server's refusal in the API's own way.

    What the API server objects to in an object is the caller's business (400); that it is unreachable, or that it does
    not know this facade, is not: those messages stay in the log.
    """
    match error:
        case kube.Invalid():
            return BadRequest(f"Invalid input received: {error.message}")
        case kube.Forbidden() if "denied request" in error.message:
            # An admission policy's refusal is written for the caller; a missing right of the facade is not.
            return Forbidden(error.message)
        case kube.NotFound():
            return NotFound()
        case kube.Conflict() | kube.AlreadyExists():
            return Conflict("Resource conflict: the resource changed in the meantime; try again.")
        case kube.Unavailable() | kube.Unauthorized():
            return Unavailable()
        case _:
            return Fault()
