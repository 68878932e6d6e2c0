"""What is refused whoever asks: too many requests from one address, and requests with two meanings."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from pydantic_core import to_json
from starlette.types import ASGIApp, Receive, Scope, Send

from fairlead_api.protocol.body import JSON
from fairlead_api.protocol.faults import BadRequest

BURST_SECONDS: Final = 2.0
"""How many seconds' worth of requests may come at once."""

_CLIENTS_KEPT: Final = 10000
_TWO_READINGS: Final = (
    "The request can be read in two ways: a header is given twice, or the body's length, or the version of HTTP is "
    "unknown."
)
_SINGLE: Final = frozenset({b"content-type", b"content-length", b"openstack-api-version"})


class Rate:
    """A token bucket per client. Clients beyond a number are forgotten, the longest silent first."""

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = max(1.0, per_second * BURST_SECONDS)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> float:
        """Count a request of a client; return the seconds it is too early by, 0 when it is not."""
        if not self._per_second:
            return 0.0
        now = self._clock()
        left, since = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        wait = 0.0 if left >= 1 else (1 - left) / self._per_second
        self._left[client] = (left if wait else left - 1, now)
        if len(self._left) > _CLIENTS_KEPT:
            self._left.popitem(last=False)
        return wait


class Doorkeeper:
    """Wraps the application."""

    def __init__(self, app: ASGIApp, client_rate: float) -> None:
        self._app = app
        self._rate = Rate(client_rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wait = self._rate.wait(scope["client"][0] if scope.get("client") else "")
        if wait:
            seconds = str(math.ceil(wait))
            message = "Too many requests from this address."
            content = to_json({"overLimit": {"code": 429, "message": message, "retryAfter": seconds}})
            await _answer(send, 429, content, (b"retry-after", seconds.encode()))
        elif _is_ambiguous(scope):
            content = BadRequest(_TWO_READINGS).content()
            # What follows on this connection may be part of the body by the other reading.
            await _answer(send, 400, content, (b"connection", b"close"))
        else:
            await self._app(scope, receive, send)


def _is_ambiguous(scope: Scope) -> bool:
    names = [name for name, _ in scope["headers"]]
    if scope["http_version"] not in ("1.0", "1.1"):
        return True
    if b"transfer-encoding" in names and b"content-length" in names:
        return True
    return any(names.count(name) > 1 for name in _SINGLE)


async def _answer(send: Send, status: int, content: bytes, *more: tuple[bytes, bytes]) -> None:
    length = str(len(content)).encode()
    headers = [(b"content-type", JSON.encode()), (b"content-length", length), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
