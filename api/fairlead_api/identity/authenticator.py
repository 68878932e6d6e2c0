"""The seam between the facade and whoever vouches for its callers.

A mode answers two questions in two steps. `identify` says who sent a request, from its headers alone, before anything
else is looked at; what it returns says, once the route is known, what that caller may do there.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from fairlead_api.identity.access import Access
from fairlead_api.identity.caller import Caller
from fairlead_api.protocol.faults import BadRequest

LONGEST_TOKEN: Final = 8192
"""Characters. Longer ones are refused unread: Fernet tokens have some 300, ServiceAccount tokens some 1500."""


class Unauthenticated(Exception):
    """Nobody vouches for the caller. Which of the reasons it was is not told: it would help a guesser only."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request carries to prove who sent it.

    Attributes:
        token: the caller's own, from `X-Auth-Token`.
        service_token: of a service that acts for the caller, from `X-Service-Token`.
        bearer: from `Authorization: Bearer`.
    """

    token: str | None
    service_token: str | None
    bearer: str | None

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> "Credentials":
        """Read them from a request's headers.

        Raises:
            BadRequest: one is there twice. A proxy may have looked at the other one.
            Unauthenticated: one is no token by its looks.
        """
        found: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in (b"x-auth-token", b"x-service-token", b"authorization"):
                if name in found:
                    raise BadRequest(f"Header {name.decode()} is given twice.")
                found[name] = value
        scheme, _, bearer = found.get(b"authorization", b"").partition(b" ")
        return cls(
            token=_token(found.get(b"x-auth-token")),
            service_token=_token(found.get(b"x-service-token")),
            bearer=_token(bearer.strip()) if scheme.lower() == b"bearer" else None,
        )


def _token(value: bytes | None) -> str | None:
    if not value:
        return None
    if len(value) > LONGEST_TOKEN or not all(0x20 < byte < 0x7F for byte in value):
        raise Unauthenticated
    return value.decode("ascii")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request is about, as far as permission depends on it.

    Attributes:
        project_segment: the project named in the URL, if any.
        access: what its route does.
        object_id: the id in its path, if any.
    """

    project_segment: str | None
    access: Access
    object_id: str | None = None


class Identity(Protocol):
    """Somebody who has been identified."""

    async def caller(self, asked: Asked) -> Caller:
        """Return the caller with what it may do.

        Raises:
            Fault: it may not do this at all, or that cannot be found out now.
        """
        ...


class Authenticator(Protocol):
    """A mode of authentication."""

    @property
    def challenge(self) -> str:
        """What an answer 401 says in `WWW-Authenticate`."""
        ...

    async def identify(self, credentials: Credentials) -> Identity:
        """Find out who sent a request.

        Raises:
            Unauthenticated: nobody vouches for it.
            Unavailable: whoever could is out of reach.
        """
        ...

    async def close(self) -> None:
        """Give back what is held: connections."""
        ...
