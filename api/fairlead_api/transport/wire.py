"""HTTP/1.1 on a connection: uvicorn's, with an end to its patience.

uvicorn waits for a request for as long as a client likes to take, counts connections of all clients together, and
answers what is no HTTP without a request id. All three are put right here.
"""

import asyncio
import logging
import uuid
from collections import Counter
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from fairlead_api.protocol.body import JSON
from fairlead_api.protocol.envelope import below_api
from fairlead_api.transport.options import TransportOptions

HEADER_LIMIT: Final = 32 * 1024
"""Bytes of a request's line and headers. Tokens may have 8 KiB, and there may be two."""

_SAID_BETTER_HERE: Final = frozenset(
    {
        "Invalid HTTP request received.",
        "Unsupported upgrade request.",
        "No supported WebSocket library detected. Please use \"pip install 'uvicorn[standard]'\", or install "
        "'websockets' or 'wsproto' manually.",
    }
)

_log = logging.getLogger("fairlead.requests")


def quieten() -> None:
    """Keep uvicorn from logging, without a request id, what this module logs with one."""
    logging.getLogger("uvicorn.error").addFilter(lambda record: record.getMessage() not in _SAID_BETTER_HERE)


def protocol(options: TransportOptions) -> type[H11Protocol]:
    """Return the protocol class of a server with these limits."""
    open_from: Counter[str] = Counter()

    class Wire(H11Protocol):
        """One connection."""

        _deadline: asyncio.TimerHandle | None = None
        _address = ""

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._address = self.client[0] if self.client else ""
            open_from[self._address] += 1
            too_many = (
                len(self.connections) > options.connections or open_from[self._address] > options.client_connections
            )
            if too_many:
                self._refuse(429, "Too Many Requests", "Too many connections.")
            else:
                self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            open_from[self._address] -= 1
            if not open_from[self._address]:
                del open_from[self._address]
            self._stop_watching()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            super().data_received(data)
            self._watch()

        def send_400_response(self, msg: str) -> None:
            """Answer what is no HTTP request."""
            self._refuse(400, "Bad Request", "The server could not read the request.")

        def _watch(self) -> None:
            """Keep a deadline running exactly while a request is arriving."""
            state = self.conn.their_state
            arriving = state is h11.SEND_BODY or (
                state is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
            )
            if not arriving:
                self._stop_watching()
            elif self._deadline is None and not self.transport.is_closing():
                self._deadline = self.loop.call_later(options.request_seconds, self._too_slow)

        def _stop_watching(self) -> None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None

        def _too_slow(self) -> None:
            self._deadline = None
            self._refuse(408, "Request Timeout", f"The request did not arrive within {options.request_seconds:g} s.")

        def _refuse(self, status: int, title: str, text: str) -> None:
            """Answer below the application, and end the connection."""
            self._stop_watching()
            if self.cycle is not None and not self.cycle.response_complete:
                # The application, waiting for the body, has lost its client.
                self.cycle.disconnected = True
                self.cycle.message_event.set()
                if self.cycle.response_started:
                    self.transport.abort()
                    return
            request_id = f"req-{uuid.uuid4()}"
            _log.info("%s refused on the wire: %d %s (from %s)", request_id, status, text, self._address or "-")
            content = below_api(status, title, text)
            headers = [
                (b"content-type", JSON.encode()),
                (b"content-length", str(len(content)).encode()),
                (b"connection", b"close"),
                (b"x-openstack-request-id", request_id.encode()),
                *self.server_state.default_headers,
            ]
            # Written without h11, which has given up on this connection, or may have.
            lines = [f"HTTP/1.1 {status} {title}".encode(), *(name + b": " + value for name, value in headers)]
            self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + content)
            self.transport.close()

    return Wire
