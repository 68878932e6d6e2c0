"""The layer that asks who sends a request, before a route is looked for.

As in the real service it lies below the API: its refusals have their own shape, and an unknown path below /v3 is a 401
for strangers. Discovery and the health check are open.
"""

import logging
from typing import Final

from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from fairlead_api.identity.authenticator import Authenticator, Credentials, Identity, Unauthenticated
from fairlead_api.protocol.body import JSON
from fairlead_api.protocol.envelope import exchange_of
from fairlead_api.protocol.faults import Fault, from_kube
from fairlead_kube.errors import KubeError

_KEY: Final = "fairlead.identity"
_GUARDED: Final = "/v3/"
REFUSAL: Final = to_json(
    {
        "error": {
            "code": 401,
            "title": "Unauthorized",
            "message": "The request you have made requires authentication.",
        }
    }
)

_log = logging.getLogger(__name__)


def identity_of(scope: Scope) -> Identity:
    """Return who sent a request; routes below /v3 only."""
    identity: Identity = scope[_KEY]
    return identity


class Authentication:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through with its sender's identity, or refuse it."""
        if scope["type"] != "http" or not scope["path"].startswith(_GUARDED):
            await self._app(scope, receive, send)
            return
        try:
            scope[_KEY] = await self._authenticator.identify(Credentials.of(scope["headers"]))
        except Unauthenticated:
            challenge = self._authenticator.challenge.encode("latin-1")
            await _answer(send, 401, REFUSAL, (b"www-authenticate", challenge))
        except Fault as fault:
            await _answer(send, fault.status, fault.content())
        except KubeError as error:
            _log.error("%s: %s", exchange_of(scope).request_id, error)
            refusal = from_kube(error)
            await _answer(send, refusal.status, refusal.content())
        else:
            await self._app(scope, receive, send)


async def _answer(send: Send, status: int, content: bytes, *more: tuple[bytes, bytes]) -> None:
    length = str(len(content)).encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", length), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
