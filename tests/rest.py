"""The REST door: requests exactly as written, and the answers as they came.

Client libraries hide status codes, headers and malformed requests; tests of the contract need all three. The real
clients have tests of their own.
"""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from iscsi import Access
from waiting import wait_for

LATEST = "3.71"
NODE_1 = "iqn.1993-08.org.debian:01:cad181614cec"
NODE_2 = "iqn.1993-08.org.debian:01:cad181614ced"


def connector(initiator: str = NODE_1, **more: Any) -> dict[str, Any]:
    """A connector as os-brick builds it."""
    return {
        "initiator": initiator,
        "ip": "192.0.2.20",
        "platform": "x86_64",
        "host": f"host-of-{initiator[-3:]}",
        "os_type": "linux",
        "multipath": False,
        "mountpoint": "/dev/vdb",
        **more,
    }


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.content)

    @property
    def fault(self) -> tuple[int, str]:
        """Status and fault name of a refusal whose body says the same status."""
        (name, inner), *rest = self.body.items()
        assert not rest, self.body
        assert inner["code"] == self.status, self.body
        return self.status, name

    @property
    def message(self) -> str:
        """A refusal's text."""
        return str(next(iter(self.body.values()))["message"])


class Rest:
    """The facade, as one project's caller."""

    def __init__(self, url: str, project: str | None = None, *, version: str | None = LATEST) -> None:
        self.url = url
        self.project = project
        self.version = version
        self._address = urlsplit(url).netloc

    @property
    def endpoint(self) -> str:
        """What a catalog would say."""
        return f"{self.url}/v3" + (f"/{self.project}" if self.project else "")

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        version: str | None = "",
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request.

        Args:
            method: its method.
            path: below the endpoint when it does not begin with `//`; then from the root.
            body: sent as JSON; None: nothing is.
            version: of this request alone; None: without the header.
            content: sent as it is instead of `body`.
            headers: more of them; they win.
        """
        full = path[1:] if path.startswith("//") else urlsplit(self.endpoint).path + path
        version = self.version if version == "" else version
        sent: dict[str, str] = {"Accept": "application/json"}
        if version is not None:
            sent["OpenStack-API-Version"] = f"volume {version}"
        if body is not None:
            content = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        sent |= headers or {}
        connection = http.client.HTTPConnection(self._address, timeout=60)
        try:
            connection.request(method, full, body=content, headers=sent)
            response = connection.getresponse()
            received = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, received, response.read())
        finally:
            connection.close()

    def get(self, path: str, **options: Any) -> Answer:
        return self.send("GET", path, **options)

    def ok(self, method: str, path: str, body: Any = None, *, status: int, **options: Any) -> Any:
        """Send a request that must succeed and return its body; None when it is empty."""
        answer = self.send(method, path, body, **options)
        assert answer.status == status, (method, path, answer.status, answer.content)
        return answer.body if answer.content else None

    # --- what most tests do ------------------------------------------------------------------------------------------

    def volume(self, **fields: Any) -> str:
        """Create a volume, wait until it is available, and return its id."""
        created = self.ok("POST", "/volumes", {"volume": {"size": 1, **fields}}, status=202)["volume"]
        self.wait_status(created["id"], "available")
        return str(created["id"])

    def shown(self, volume_id: str) -> dict[str, Any]:
        found: dict[str, Any] = self.ok("GET", f"/volumes/{volume_id}", status=200)["volume"]
        return found

    def status(self, volume_id: str) -> str:
        return str(self.shown(volume_id)["status"])

    def wait_status(self, volume_id: str, status: str) -> None:
        def there() -> bool:
            now = self.status(volume_id)
            assert now == status, now
            return True

        wait_for(there, what=f"volume {volume_id} is {status}")

    def reserve(self, volume_id: str, instance: str | None = None, **fields: Any) -> dict[str, Any]:
        """Create an attachment and return it."""
        asked = {"volume_uuid": volume_id, **({"instance_uuid": instance} if instance else {}), **fields}
        made: dict[str, Any] = self.ok("POST", "/attachments", {"attachment": asked}, status=202)["attachment"]
        return made

    def attach(self, volume_id: str, initiator: str = NODE_1, **fields: Any) -> dict[str, Any]:
        """Create an attachment with a connector and return it."""
        return self.reserve(volume_id, connector=connector(initiator), **fields)

    def connect(self, attachment_id: str, initiator: str = NODE_1, **more: Any) -> dict[str, Any]:
        """Give an attachment a connector and return it."""
        body = {"attachment": {"connector": connector(initiator, **more)}}
        updated: dict[str, Any] = self.ok("PUT", f"/attachments/{attachment_id}", body, status=200)["attachment"]
        return updated

    def complete(self, attachment_id: str) -> None:
        self.ok("POST", f"/attachments/{attachment_id}/action", {"os-complete": None}, status=204)

    def detach(self, attachment_id: str) -> list[dict[str, Any]]:
        """Delete an attachment and return those left."""
        left: list[dict[str, Any]] = self.ok("DELETE", f"/attachments/{attachment_id}", status=200)["attachments"]
        return left

    def act(self, volume_id: str, action: str, value: Any = None, **options: Any) -> Answer:
        return self.send("POST", f"/volumes/{volume_id}/action", {action: value}, **options)


def access(attachment: Mapping[str, Any], initiator: str = NODE_1) -> Access:
    """How a node logs in, from nothing but connection_info."""
    info = attachment["connection_info"]
    return Access.of(info, initiator, info["auth_username"], info["auth_password"])
