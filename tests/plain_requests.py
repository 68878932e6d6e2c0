"""Requests to the API server exactly as written, by whom a test wants, and the answer as it came.

The typed client chooses patch types and raises on refusals; tests of what the API server accepts need neither.
"""

import json
from dataclasses import dataclass
from typing import Any

from kubernetes import client

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Answer:
    """What came back: the HTTP status and the JSON body."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return self.status < 300

    @property
    def message(self) -> str:
        """The refusal's text; empty when there was none."""
        return "" if self.ok else str(self.body.get("message", ""))


@dataclass(frozen=True)
class Caller:
    """Somebody who sends requests: the client's own user, or whom it impersonates."""

    api: client.ApiClient
    user: str | None = None

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Answer:
        headers = {"Accept": accept, "Content-Type": content_type}
        if self.user is not None:
            headers["Impersonate-User"] = self.user
        prepared = self.api.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        response = self.api.call_api(*prepared)
        return Answer(response.status, json.loads(response.read()))

    def patch(self, path: str, body: Any, *, content_type: str = MERGE, **query: str) -> Answer:
        return self.send("PATCH", path, body, content_type=content_type, **query)
