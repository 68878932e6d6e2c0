"""The REST door: what any client of the Block Storage API sends, in plain HTTP."""

import http.client
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from iscsi import Access
from waiting import wait_for


@dataclass(frozen=True)
class Answer:
    """An HTTP answer with its decoded body."""

    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def fault(self) -> tuple[str, str]:
        """Name and message of the fault."""
        [(name, fault)] = self.body.items()
        return name, fault["message"]


class RestDoor:
    """One project at one facade. Each thread has its own connection."""

    def __init__(self, url: str, project: str, *, version: str = "3.70", timeout: float = 60.0) -> None:
        self._place = urlsplit(url)
        self._timeout = timeout
        self._project = project
        self._version = version
        self._local = threading.local()

    def send(self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Send a request below `/v3/<project>`; `body` is encoded as JSON unless it is bytes."""
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        sent = {
            "X-Auth-Token": f"admin:{self._project}",
            "OpenStack-API-Version": f"volume {self._version}",
            "Accept": "application/json",
            **({} if data is None else {"Content-Type": "application/json"}),
            **(headers or {}),
        }
        connection = self._connection()
        connection.request(method, f"/v3/{self._project}{path}", body=data, headers=sent)
        response = connection.getresponse()
        content = response.read()
        decoded = json.loads(content) if content and "json" in (response.getheader("Content-Type") or "") else content
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, decoded)

    def volume(self, name: str, size: int = 1, **fields: Any) -> str:
        """Create a volume and wait until it is available; return its id."""
        answer = self.send("POST", "/volumes", {"volume": {"name": name, "size": size, **fields}})
        assert answer.status == 202, answer.body
        id_ = answer.body["volume"]["id"]
        wait_for(lambda: self.volume_status(id_) == "available", what=f"volume {name} is available")
        return str(id_)

    def volume_status(self, id_: str) -> str:
        answer = self.send("GET", f"/volumes/{id_}")
        return str(answer.body["volume"]["status"]) if answer.status == 200 else str(answer.status)

    def attach(self, volume: str, initiator: str | None = None, **fields: Any) -> Answer:
        """POST an attachment, reserved when there is no initiator."""
        connector = {"connector": {"initiator": initiator, "host": "node"}} if initiator is not None else {}
        return self.send("POST", "/attachments", {"attachment": {"volume_uuid": volume, **connector, **fields}})

    def connect(self, attachment: str, initiator: str, host: str = "node") -> Answer:
        """PUT a connector."""
        body = {"attachment": {"connector": {"initiator": initiator, "host": host}}}
        return self.send("PUT", f"/attachments/{attachment}", body)

    def complete(self, attachment: str) -> Answer:
        return self.send("POST", f"/attachments/{attachment}/action", {"os-complete": None})

    def detach(self, attachment: str) -> Answer:
        return self.send("DELETE", f"/attachments/{attachment}")

    def hang_up(self) -> None:
        """Drop this thread's connection; the next request makes another."""
        self._connection().close()

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(str(self._place.hostname), self._place.port, timeout=self._timeout)
            self._local.connection = connection
        return connection


def access(info: Mapping[str, Any], initiator: str) -> Access:
    """How a node logs in with nothing but the `connection_info` it was given."""
    return Access.of(info, initiator, info["auth_username"], info["auth_password"])
