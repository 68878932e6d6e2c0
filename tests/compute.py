"""The few answers of compute that clients of block storage ask for, and how to serve them.

`openstack volume attachment create` looks the server up there. This is that service's place and nothing more.
"""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, TypeVar

SERVER_ID = "a7816a4b-fe9d-4767-99eb-38bb87113407"
SERVER_NAME = "server-1"

Answer = tuple[int, Mapping[str, str], Any]
"""Status, headers and body."""


class Service(Protocol):
    """Answers requests at the address that it is given."""

    url: str

    def answer(self, method: str, path: str) -> Answer:
        """Answer a request by its path, query included."""
        ...


S = TypeVar("S", bound=Service)


class Compute:
    """Compute, in which there is one server."""

    def __init__(self) -> None:
        self.url = ""

    @property
    def endpoint(self) -> str:
        """Its address in a catalog."""
        return f"{self.url}/compute/v2.1"

    def answer(self, method: str, path: str) -> Answer:
        match method, parts(path):
            case "GET", ["compute", "v2.1"]:
                links = [{"rel": "self", "href": f"{self.endpoint}/"}]
                version = {"id": "v2.1", "status": "CURRENT", "min_version": "2.1", "version": "2.90", "links": links}
                return 200, {}, {"version": version}
            case "GET", ["compute", "v2.1", "servers", server] if server in (SERVER_ID, "detail"):
                body = {"id": SERVER_ID, "name": SERVER_NAME, "status": "ACTIVE"}
                return 200, {}, {"servers": [body]} if server == "detail" else {"server": body}
            case "GET", ["compute", "v2.1", "servers"]:
                return 200, {}, {"servers": [{"id": SERVER_ID, "name": SERVER_NAME}]}
            case _:
                return 404, {}, {"error": {"code": 404, "message": f"no such path: {path}", "title": "Not Found"}}


def parts(path: str) -> list[str]:
    """The segments of a request's path."""
    return path.partition("?")[0].rstrip("/").split("/")[1:]


@contextmanager
def serving(service: S) -> Iterator[S]:
    """Serve on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer("POST")

        def _answer(self, method: str) -> None:
            status, headers, body = service.answer(method, self.path)
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
