"""Where traces are sent to, and what came."""

import http.server
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Collector:
    """What an OTLP/HTTP collector was sent: spans by trace, each with the service that made it."""

    def __init__(self) -> None:
        self.traces: dict[str, list[tuple[str, Any]]] = defaultdict(list)
        self._received: list[bytes] = []

    @property
    def everything(self) -> bytes:
        """All that came, as it came."""
        return b"".join(self._received)

    @property
    def services(self) -> set[str]:
        """Who sent any."""
        return {service for spans in self.traces.values() for service, _ in spans}

    def take(self, content: bytes) -> None:
        self._received.append(content)
        for resource in ExportTraceServiceRequest.FromString(content).resource_spans:
            attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.traces[span.trace_id.hex()].append((attributes["service.name"], span))

    def names(self, trace: str) -> set[tuple[str, str]]:
        return {(service, span.name) for service, span in self.traces[trace]}


@contextmanager
def collector() -> Iterator[tuple[str, Collector]]:
    """A collector on a port of its own, and its address."""
    found = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            found.take(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
