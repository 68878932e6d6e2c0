"""A REST client as thin as curl, each request and answer shown as it happens, secrets masked."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_devstack.demo.narration import CheckFailed, show

_MICROVERSION = "volume 3.54"
_LIMIT = 60.0
_LONGEST = 900
_SECRET_KEYS = frozenset({"auth_password"})


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. The body is None when there was none."""

    status: int
    body: Any


class Rest:
    """One project of the Block Storage API."""

    def __init__(self, base: str, project: str) -> None:
        self._base = f"{base}/v3/{project}"
        self._prefix = f"/v3/{project}"

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, expect: int) -> Any:
        """Send a request, show it and its answer, and return the answer's body.

        Raises:
            CheckFailed: the answer has another status than the expected one.
        """
        sent = "" if body is None else f" {json.dumps(body)}"
        show(f"> {method} {self._prefix}{path}{sent}")
        answer = self.send(method, path, body)
        said = "" if answer.body is None else f" {json.dumps(_masked(answer.body))}"
        show(f"< {answer.status}{said if len(said) <= _LONGEST else said[:_LONGEST] + ' ...'}")
        if answer.status != expect:
            raise CheckFailed(f"{method} {path} was answered {answer.status}, not {expect}: {_masked(answer.body)}")
        return answer.body

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        """Send a request quietly. Every answer of the service is an answer, refusals too."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"OpenStack-API-Version": _MICROVERSION, "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{self._base}{path}", data=data, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=_LIMIT) as response:
                return Answer(response.status, _parsed(response.read()))
        except urllib.error.HTTPError as refusal:
            with refusal:
                return Answer(refusal.code, _parsed(refusal.read()))
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            raise CheckFailed(f"{method} {self._base}{path}: {error}") from error


def _parsed(content: bytes) -> Any:
    return json.loads(content) if content else None


def _masked(body: Any) -> Any:
    if isinstance(body, dict):
        return {key: "***" if key in _SECRET_KEYS else _masked(value) for key, value in body.items()}
    return [_masked(item) for item in body] if isinstance(body, list) else body
