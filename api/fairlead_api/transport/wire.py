"""HTTP/1.1 on a connection: uvicorn's, with an end to its patience.

uvicorn waits for a request for as long as a client likes to take, counts connections of all clients together, and
answers what is no HTTP without a request id. All three are put right here.
"""

import asyncio
import logging
import uuid
from collections import Counter
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

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


def protocol(options: TransportOptions) -> type[HttpToolsProtocol]:
    """Return the protocol class of a server with these limits."""
    open_from: Counter[str] = Counter()

    class Wire(HttpToolsProtocol):
        """One connection."""

        _deadline: asyncio.TimerHandle | None = None
        _address = ""
        _arriving = True
        """Whether a request is on its way in, as the first is from the beginning."""
        _heading = True
        """Whether that request's headers are not whole yet."""
        _head = 0
        """Bytes that have come meanwhile, without those that came together with an earlier request's."""

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
            heading = self._heading
            super().data_received(data)
            if heading and self._heading:
                self._head += len(data)
                if self._head > HEADER_LIMIT and not self.transport.is_closing():
                    self.send_400_response("headers too long")
            self._watch()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._arriving = self._heading = True
            self._head = 0

        def on_headers_complete(self) -> None:
            # What is raised here is answered like what the parser refuses.
            if (
                not _is_plain(self.headers, self.parser.get_http_version())
                or _length(self.url, self.headers) > HEADER_LIMIT
            ):
                raise ValueError
            self._heading = False
            super().on_headers_complete()
            if self.parser.should_upgrade():
                # The parser takes what follows for the other protocol.
                self.cycle.keep_alive = False

        def on_message_complete(self) -> None:
            self._arriving = False
            super().on_message_complete()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def send_400_response(self, msg: str) -> None:
            """Answer what is no HTTP request."""
            self._refuse(400, "Bad Request", "The server could not read the request.")

        def _watch(self) -> None:
            """Keep a deadline running exactly while a request is arriving, and not behind one that is being served."""
            served = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
            if not self._arriving or served or self.pipeline:
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
            # Written past uvicorn, which has given up on this connection, or may have.
            lines = [f"HTTP/1.1 {status} {title}".encode(), *(name + b": " + value for name, value in headers)]
            self.transport.write(b"\r\n".join(lines) + b"\r\n\r\n" + content)
            self.transport.close()

    return Wire


def _is_plain(headers: list[tuple[bytes, bytes]], version: str) -> bool:
    """Whether there is one host (HTTP/1.0 needs none), and no coding of the body but chunks."""
    hosts = sum(name == b"host" for name, _ in headers)
    return (hosts == 1 or (hosts == 0 and version == "1.0")) and all(
        value.lower() == b"chunked" for name, value in headers if name == b"transfer-encoding"
    )


def _length(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    return len(url) + sum(len(name) + len(value) for name, value in headers)
