"""A real Keystone on this machine: SQLite, Fernet tokens, users and a service catalog."""

import http.client
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from fairlead_devstack.component import Component
from fairlead_devstack.keystone_install import configuration, install, template
from fairlead_devstack.ports import free_port

_SERVE = (
    # Keystone reads the command line as its own.
    "import sys, waitress; listen = sys.argv.pop(); from keystone.wsgi.api import application; "
    "waitress.serve(application, listen=listen, threads=4, ident=None)"
)


@dataclass(frozen=True)
class User:
    """A user with a role on a project. Passwords are the names, said once more with a word before."""

    name: str
    role: str
    project: str

    @property
    def password(self) -> str:
        """The user's password."""
        return f"word-of-{self.name}"


ADMIN = User("admin", "admin", "admin")
USERS = (
    ADMIN,
    User("admin", "admin", "demo"),
    User("alice", "member", "demo"),
    User("rita", "reader", "demo"),
    User("oscar", "member", "other"),
    User("fairlead", "service", "service"),
    User("nova", "service", "service"),
)


class Keystone:
    """A Keystone of one's own, in a folder. Use as a context manager.

    Args:
        folder: for its database and logs.
        address: of this machine's, where it listens.

    Attributes:
        projects: ids of the projects, by name.
    """

    def __init__(self, folder: Path, *, address: str = "127.0.0.1") -> None:
        self.folder = folder
        self._address = address
        self.projects: dict[str, str] = {}
        self._port = 0
        self._component: Component | None = None

    @property
    def url(self) -> str:
        """The v3 address."""
        return f"http://{self._address}:{self._port}/v3"

    @property
    def process(self) -> Component:
        """The server, to be hurt at will."""
        assert self._component is not None, "start it first"
        return self._component

    def __enter__(self) -> Self:
        shutil.copytree(template(install(), ADMIN.password), self.folder, dirs_exist_ok=True)
        self._start("keystone", token_seconds=3600)
        try:
            self._populate()
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()

    def token(self, name: str, project: str | None = None) -> str:
        """Log a user in and return the token.

        Args:
            name: the user.
            project: to be scoped to; None: unscoped.
        """
        domain = {"id": "default"}
        user = {"name": name, "domain": domain, "password": User(name, "", "").password}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        auth["scope"] = "unscoped" if project is None else {"project": {"name": project, "domain": domain}}
        status, headers, body = self._send("POST", "/auth/tokens", {"auth": auth})
        if status != 201:
            raise RuntimeError(f"Keystone answers {status} to {name}'s login: {body}")
        return headers["X-Subject-Token"]

    def short_token(self, name: str, project: str, *, seconds: int = 3) -> str:
        """Log a user in for a short time, at another Keystone on the same database that gives shorter tokens."""
        other = Keystone(self.folder, address=self._address)
        other._start("keystone-short", token_seconds=seconds)
        try:
            return other.token(name, project)
        finally:
            other.process.kill()

    def add_user(self, user: User) -> None:
        """Add a user, and the project if there is none."""
        admin = self.token(ADMIN.name, ADMIN.project)
        self._grant(user, admin)

    def set_password(self, name: str, password: str) -> None:
        """Give a user another password, which ends the tokens of the last one."""
        admin = self.token(ADMIN.name, ADMIN.project)
        user = self._named("users", name, admin)
        self._ok("PATCH", f"/users/{user}", {"user": {"password": password}}, token=admin)

    def revoke(self, token: str) -> None:
        """End a token before its time."""
        admin = self.token("admin", "admin")
        self._send("DELETE", "/auth/tokens", token=admin, more={"X-Subject-Token": token})

    def set_endpoint(self, url: str) -> None:
        """Name the block storage service's address in the catalog."""
        for type_, name in (("block-storage", "cinder"), ("volumev3", "cinderv3")):
            self.set_service(type_, name, f"{url}/v3/$(project_id)s")

    def set_service(self, type_: str, name: str, url: str) -> None:
        """Name a service's address in the catalog, for each of its interfaces.

        Args:
            type_: what clients look it up by.
            name: of the service, should it be new.
            url: Keystone replaces `$(project_id)s` in it.
        """
        admin = self.token("admin", "admin")
        service = self._named("services", type_, admin, by="type", name=name)
        have = self._send("GET", f"/endpoints?service_id={service}", token=admin)[2]["endpoints"]
        for interface in ("public", "internal", "admin"):
            found = next((item["id"] for item in have if item["interface"] == interface), None)
            endpoint = {"service_id": service, "interface": interface, "region_id": "RegionOne", "url": url}
            method, path = ("PATCH", f"/endpoints/{found}") if found else ("POST", "/endpoints")
            self._ok(method, path, {"endpoint": endpoint}, token=admin)

    def write_clouds(self, path: Path) -> Path:
        """Write a `clouds.yaml` with a cloud `<user>-<project>` for every user."""
        clouds = {
            f"{user.name}-{user.project}": {
                "region_name": "RegionOne",
                "identity_api_version": 3,
                "auth": {
                    "auth_url": self.url,
                    "username": user.name,
                    "password": user.password,
                    "project_name": user.project,
                    "user_domain_name": "Default",
                    "project_domain_name": "Default",
                },
            }
            for user in USERS
        }
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump({"clouds": clouds}))
        return path

    def _populate(self) -> None:
        admin = self.token("admin", "admin")
        # The template knows Keystone by another port.
        for endpoint in self._send("GET", "/endpoints", token=admin)[2]["endpoints"]:
            self._ok("PATCH", f"/endpoints/{endpoint['id']}", {"endpoint": {"url": f"{self.url}/"}}, token=admin)
        for user in USERS:
            self._grant(user, admin)

    def _grant(self, user: User, admin: str) -> None:
        if user.project not in self.projects:
            self.projects[user.project] = self._named("projects", user.project, admin, domain_id="default")
        id_ = self._named("users", user.name, admin, domain_id="default", password=user.password)
        role = self._named("roles", user.role, admin)
        self._ok("PUT", f"/projects/{self.projects[user.project]}/users/{id_}/roles/{role}", token=admin)

    def _start(self, name: str, *, token_seconds: int) -> None:
        settings = self.folder / f"etc-{name}"
        settings.mkdir(exist_ok=True)
        (settings / "keystone.conf").write_text(configuration(self.folder, token_seconds=token_seconds))
        self._port = free_port(self._address)
        self._component = Component(
            name,
            [str(install()), "-W", "ignore", "-c", _SERVE, f"{self._address}:{self._port}"],
            folder=self.folder,
            ready=self._answers,
            tethered=True,
            ready_timeout=120.0,
            environment={**os.environ, "OS_KEYSTONE_CONFIG_DIR": str(settings)},
        )
        self._component.start()
        self._component.wait_ready()

    def _named(self, kind: str, value: str, token: str, *, by: str = "name", **fields: Any) -> str:
        for item in self._send("GET", f"/{kind}?{by}={value}", token=token)[2][kind]:
            return str(item["id"])
        one = kind[:-1]
        return str(self._ok("POST", f"/{kind}", {one: {by: value, **fields}}, token=token)[one]["id"])

    def _ok(self, method: str, path: str, body: Any = None, *, token: str) -> Any:
        status, _, answer = self._send(method, path, body, token=token)
        if status >= 300:
            raise RuntimeError(f"Keystone answers {status} to {method} {path}: {answer}")
        return answer

    def _send(
        self, method: str, path: str, body: Any = None, *, token: str = "", more: Mapping[str, str] | None = None
    ) -> tuple[int, Mapping[str, str], Any]:
        connection = http.client.HTTPConnection(self._address, self._port, timeout=30)
        headers = {"Content-Type": "application/json", **({"X-Auth-Token": token} if token else {}), **(more or {})}
        try:
            connection.request(method, f"/v3{path}", None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            content = response.read()
            return response.status, dict(response.getheaders()), json.loads(content) if content else None
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            return self._send("GET", "/")[0] == 200
        except (OSError, http.client.HTTPException):
            return False
