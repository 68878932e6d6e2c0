"""The few answers of identity and compute that clients of block storage ask for.

`openstack volume attachment create` looks the server up in compute, every client reads its endpoint from the token's
catalog. This is those services' place and nothing more: block storage itself is the real facade.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SERVER_ID = "a7816a4b-fe9d-4767-99eb-38bb87113407"
SERVER_NAME = "server-1"
USER_ID = "6748403ab38d44648f04a8897c304b1e"


class Catalog:
    """A catalog that names the facade as the block storage service of one project."""

    def __init__(self, block_storage: str, project: str) -> None:
        self.block_storage = block_storage
        self.project = project
        self.url = ""

    def environment(self) -> dict[str, str]:
        """What `source openrc` sets."""
        return {
            "OS_AUTH_URL": f"{self.url}/identity/v3",
            "OS_USERNAME": "alice",
            "OS_PASSWORD": "not-checked",
            "OS_PROJECT_NAME": self.project,
            "OS_USER_DOMAIN_ID": "default",
            "OS_PROJECT_DOMAIN_ID": "default",
            "OS_IDENTITY_API_VERSION": "3",
            "OS_REGION_NAME": "region-1",
        }

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], Any]:
        """Answer a request by its path."""
        match method, path.partition("?")[0].rstrip("/").split("/")[1:]:
            case "POST", ["identity", "v3", "auth", "tokens"]:
                # The facade in noauth mode takes the token for what it says.
                return 201, {"X-Subject-Token": f"alice:{self.project}"}, {"token": self._token()}
            case "GET", ["identity"] | ["identity", "v3"]:
                links = [{"rel": "self", "href": f"{self.url}/identity/v3/"}]
                version = {"id": "v3.14", "status": "stable", "links": links}
                return 200, {}, {"version": version, "versions": {"values": [version]}}
            case "GET", ["identity", "v3", "projects", _]:
                return 200, {}, {"project": {"id": self.project, "name": self.project, "domain_id": "default"}}
            case "GET", ["compute", "v2.1"]:
                links = [{"rel": "self", "href": f"{self.url}/compute/v2.1/"}]
                version = {"id": "v2.1", "status": "CURRENT", "min_version": "2.1", "version": "2.90", "links": links}
                return 200, {}, {"version": version}
            case "GET", ["compute", "v2.1", "servers", server] if server in (SERVER_ID, "detail"):
                body = {"id": SERVER_ID, "name": SERVER_NAME, "status": "ACTIVE"}
                return 200, {}, {"servers": [body]} if server == "detail" else {"server": body}
            case "GET", ["compute", "v2.1", "servers"]:
                return 200, {}, {"servers": [{"id": SERVER_ID, "name": SERVER_NAME}]}
            case _:
                return 404, {}, {"error": {"code": 404, "message": f"no such path: {path}", "title": "Not Found"}}

    def _token(self) -> dict[str, Any]:
        return {
            "methods": ["password"],
            "issued_at": "2026-11-24T00:00:00.000000Z",
            "expires_at": "2036-11-24T00:00:00.000000Z",
            "user": {"id": USER_ID, "name": "alice", "domain": {"id": "default", "name": "Default"}},
            "project": {"id": self.project, "name": self.project, "domain": {"id": "default", "name": "Default"}},
            "roles": [{"id": "1", "name": "admin"}],
            "catalog": [
                self._service("identity", "keystone", f"{self.url}/identity/v3"),
                self._service("compute", "nova", f"{self.url}/compute/v2.1"),
                self._service("block-storage", "cinder", self.block_storage),
                self._service("volumev3", "cinderv3", self.block_storage),
            ],
        }

    @staticmethod
    def _service(kind: str, name: str, url: str) -> dict[str, Any]:
        endpoints = [
            {"id": f"{kind}-{face}", "interface": face, "region": "region-1", "region_id": "region-1", "url": url}
            for face in ("public", "internal", "admin")
        ]
        return {"id": kind, "type": kind, "name": name, "endpoints": endpoints}


@contextmanager
def serving(catalog: Catalog) -> Iterator[Catalog]:
    """Serve a catalog on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer("GET")

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._answer("POST")

        def _answer(self, method: str) -> None:
            status, headers, body = catalog.answer(method, self.path)
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
    catalog.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield catalog
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
