"""The few answers of identity, beside those of compute, that clients of block storage ask for.

Every client reads its endpoint from the token's catalog. This is that service's place and nothing more: block storage
itself is the real facade.
"""

from typing import Any

from compute import Answer, Compute, parts

USER_ID = "6748403ab38d44648f04a8897c304b1e"


class Catalog(Compute):
    """A catalog that names the facade as the block storage service of one project."""

    def __init__(self, block_storage: str, project: str) -> None:
        super().__init__()
        self.block_storage = block_storage
        self.project = project

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

    def answer(self, method: str, path: str) -> Answer:
        match method, parts(path):
            case "POST", ["identity", "v3", "auth", "tokens"]:
                # The facade in noauth mode takes the token for what it says.
                return 201, {"X-Subject-Token": f"alice:{self.project}"}, {"token": self._token()}
            case "GET", ["identity"] | ["identity", "v3"]:
                links = [{"rel": "self", "href": f"{self.url}/identity/v3/"}]
                version = {"id": "v3.14", "status": "stable", "links": links}
                return 200, {}, {"version": version, "versions": {"values": [version]}}
            case "GET", ["identity", "v3", "projects", _]:
                return 200, {}, {"project": {"id": self.project, "name": self.project, "domain_id": "default"}}
            case _:
                return super().answer(method, path)

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
                self._service("compute", "nova", self.endpoint),
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
