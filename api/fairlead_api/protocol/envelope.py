"""The outermost layer: what is true of every exchange, routed or not.

A pure ASGI middleware, because a framework's middleware classes cost more than most of our answers do. It gives each
request an id, bounds its body, takes the optional project out of the path, counts it, and writes one log line.
"""

import logging
import re
import time
import uuid
from dataclasses import dataclass, field
from typing import Final

from opentelemetry.trace import SpanContext, SpanKind
from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fairlead_api.metrics import IN_FLIGHT, NO_ENDPOINT, count_request
from fairlead_api.protocol.body import JSON, LIMIT
from fairlead_api.protocol.microversion import Microversion
from fairlead_telemetry.correlation import bound
from fairlead_telemetry.logs import with_fields
from fairlead_telemetry.tracing import parse_traceparent, set_attributes, span

KEY: Final = "fairlead"
"""Where the Exchange is in an ASGI scope."""

COLLECTIONS: Final = frozenset(
    [
        "attachments",
        "backups",
        "capabilities",
        "cgsnapshots",
        "clusters",
        "consistencygroups",
        "default-types",
        "extensions",
        "group_snapshots",
        "group_types",
        "groups",
        "limits",
        "manageable_snapshots",
        "manageable_volumes",
        "messages",
        "os-availability-zone",
        "os-hosts",
        "os-quota-class-sets",
        "os-quota-sets",
        "os-services",
        "os-snapshot-manage",
        "os-volume-manage",
        "os-volume-transfer",
        "qos-specs",
        "resource_filters",
        "scheduler-stats",
        "snapshots",
        "types",
        "volume-transfers",
        "volumes",
        "workers",
    ]
)
"""First path segments below /v3 that name a resource. Any other is the project id, so no project can have one of these
names in the URL."""

_PROJECT = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PREFIX = "/v3/"

_log = logging.getLogger("fairlead.requests")


@dataclass(slots=True)
class Exchange:
    """One request and what is known of it on the way through."""

    request_id: str
    project_segment: str | None = None
    version: Microversion | None = None
    action: str | None = None
    started: float = field(default_factory=time.perf_counter)


def exchange_of(scope: Scope) -> Exchange:
    """Return the Exchange of a request."""
    exchange: Exchange = scope[KEY]
    return exchange


def below_api(status: int, title: str, text: str) -> bytes:
    """The body of an answer that no route made: unknown path, too large a body. Its shape is webob's."""
    return to_json({"message": f"{text}<br /><br />\n\n\n", "code": f"{status} {title}", "title": title})


NOT_FOUND: Final = below_api(404, "Not Found", "The resource could not be found.")
TOO_LARGE: Final = below_api(
    413, "Request Entity Too Large", f"Request is too large. Larger than max_request_body_size ({LIMIT})."
)


def split_project(path: str) -> tuple[str, str | None]:
    """Take the project segment out of a path: `/v3/p/volumes` is `/v3/volumes` of project `p`.

    A trailing `.json`, which the real service's router swallows, goes too.
    """
    if not path.startswith(_PREFIX):
        return path, None
    path = path.removesuffix(".json")
    first, slash, rest = path[len(_PREFIX) :].partition("/")
    if not slash or not rest or first in COLLECTIONS or _PROJECT.fullmatch(first) is None:
        return path, None
    return _PREFIX + rest, first


class Envelope:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one exchange."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(f"req-{uuid.uuid4()}")
        path, exchange.project_segment = split_project(scope["path"])
        inner = {**scope, KEY: exchange, "path": path, "raw_path": path.encode()}
        status = 0
        request_id = (b"x-openstack-request-id", exchange.request_id.encode())

        async def numbered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), request_id]
            await send(message)

        global_id = _safe(_header(scope, b"x-openstack-request-id"))
        with (
            bound(request_id=exchange.request_id, global_request_id=None if global_id == "-" else global_id),
            span(scope["method"], kind=SpanKind.SERVER, parent=_caller_span(scope)) as current,
            IN_FLIGHT.track_inprogress(),
        ):
            try:
                if scope["method"] == "OPTIONS":
                    await _answer(numbered, 200, b"")
                elif (content := await _read(scope, receive)) is None:
                    await _answer(numbered, 413, TOO_LARGE)
                else:
                    await self._app(inner, _replay(content, receive), numbered)
            finally:
                endpoint = _endpoint(inner)
                count_request(scope["method"], endpoint, status, time.perf_counter() - exchange.started)
                current.update_name(f"{scope['method']} {endpoint}")
                set_attributes(current, http__response__status_code=status, fairlead__request_id=exchange.request_id)
                _write_line(scope, exchange, status, endpoint)


async def _read(scope: Scope, receive: Receive) -> bytes | None:
    """Read the whole body, whatever Content-Length says of it; None when it is too large."""
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > LIMIT:
            return None
    content = bytearray()
    while True:
        message = await receive()
        content += message.get("body", b"")
        if len(content) > LIMIT:
            return None
        # A disconnect ends the body too; the answer then goes nowhere.
        if not message.get("more_body", False):
            return bytes(content)


def _replay(content: bytes, receive: Receive) -> Receive:
    """Let the application receive a body that has been read."""
    whole: Message | None = {"type": "http.request", "body": content, "more_body": False}

    async def replay() -> Message:
        nonlocal whole
        if whole is not None:
            message, whole = whole, None
            return message
        return await receive()

    return replay


async def _answer(send: Send, status: int, content: bytes) -> None:
    headers = [(b"content-length", str(len(content)).encode())]
    if content:
        headers.append((b"content-type", JSON.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _header(scope: Scope, wanted: bytes) -> bytes | None:
    return next((value for name, value in scope["headers"] if name == wanted), None)


def _caller_span(scope: Scope) -> SpanContext | None:
    """The caller's span, if it sends one."""
    return parse_traceparent((_header(scope, b"traceparent") or b"").decode("latin-1"))


def _endpoint(inner: Scope) -> str:
    """The template of the path, as routing left it in the scope."""
    route = inner.get("route")
    return route.path if route is not None else NO_ENDPOINT


def _write_line(scope: Scope, exchange: Exchange, status: int, endpoint: str) -> None:
    if not _log.isEnabledFor(logging.INFO):
        return
    headers = dict(scope["headers"])
    path = scope["path"].encode("unicode_escape").decode()
    milliseconds = round((time.perf_counter() - exchange.started) * 1000, 1)
    _log.info(
        "%s %s %s %d %.1fms version=%s action=%s global_id=%s agent=%s",
        exchange.request_id,
        scope["method"],
        path,
        status,
        milliseconds,
        exchange.version or "-",
        exchange.action or "-",
        _safe(headers.get(b"x-openstack-request-id")),
        _safe(headers.get(b"user-agent")),
        extra=with_fields(
            method=scope["method"],
            path=path,
            endpoint=endpoint,
            status=status,
            duration_ms=milliseconds,
            version=str(exchange.version) if exchange.version else None,
            action=exchange.action,
        ),
    )


def _safe(header: bytes | None) -> str:
    """A header's text as one word of a log line: callers must not be able to write lines of their own."""
    if not header:
        return "-"
    return "_".join(header[:64].decode("latin-1").split()).encode("unicode_escape").decode()
