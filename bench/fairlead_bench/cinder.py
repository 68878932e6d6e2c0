"""A real Cinder on this machine, with MariaDB and RabbitMQ of its own: all on loopback and in one folder."""

import glob
import json
import os
import pwd
import secrets
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from fairlead_bench import cinder_files
from fairlead_bench.machine import debian_version
from fairlead_bench.rest_load import PROJECT
from fairlead_devstack.component import Component
from fairlead_devstack.debian import ensure_commands, find_command
from fairlead_devstack.locked_environment import LockedEnvironment
from fairlead_devstack.place import Place
from fairlead_devstack.ports import free_port
from fairlead_devstack.progress import say

_REQUIREMENTS = Path(__file__).parents[1] / "cinder-requirements.txt"
_BROKER_PROGRAM = "/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"
PACKAGES = {"mariadbd": "mariadb-server", _BROKER_PROGRAM: "rabbitmq-server"}
_LOOPBACK = "127.0.0.1"
_PATIENCE = 120.0


class CinderFailed(Exception):
    """Cinder could not be set up; the message has the end of what was said."""


class Cinder(Place):
    """A context manager; leaves nothing behind but the installation, which is used again.

    Attributes:
        url: of the attachments API.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = LockedEnvironment("Cinder", _REQUIREMENTS)
        self._components: dict[str, Component] = {}
        self.url = ""

    def stop(self) -> None:
        """End every process, the last started first."""
        for component in reversed(list(self._components.values())):
            component.terminate()
        self._components.clear()

    def pids(self) -> Mapping[str, list[int]]:
        """The processes by their part, without those that descend from them."""
        return {name: [component.pid] for name, component in self._components.items()}

    def versions(self) -> Mapping[str, str]:
        """Of Cinder and of what it stands on."""
        library = next((self._environment.home / "venv" / "lib").glob("python*/site-packages"))
        installed = {found.name.lower(): found.version for found in distributions(path=[str(library)])}
        return {
            "Cinder": installed["cinder"],
            "uWSGI": installed["pyuwsgi"],
            "SQLAlchemy": installed["sqlalchemy"],
            "MariaDB": debian_version("mariadb-server"),
            "RabbitMQ": debian_version("rabbitmq-server"),
        }

    def _start(self) -> None:
        ensure_commands(PACKAGES)
        self._environment.install()
        self._folder.mkdir(parents=True)
        password = secrets.token_hex(16)
        database = self._start_database(password)
        broker = self._start_broker(password)
        port = free_port(_LOOPBACK)
        self.url = f"http://{_LOOPBACK}:{port}/v3"
        cinder_files.write_cinder(
            self._folder,
            environment=self._environment.home / "venv",
            password=password,
            api_port=port,
            database_port=database,
            broker_port=broker,
        )
        say("making Cinder's database")
        settings = f"--config-file={self._folder / 'cinder.conf'}"
        self._once([*self._program("cinder-manage"), settings, "db", "sync"])
        self._run("cinder-scheduler", [*self._program("cinder-scheduler"), settings], lambda: True)
        self._run("cinder-volume", [*self._program("cinder-volume"), settings], lambda: True)
        uwsgi = [str(self._environment.home / "venv" / "bin" / "uwsgi"), "--ini", str(self._folder / "uwsgi.ini")]
        self._run("cinder-api", uwsgi, self._serves)

    def _start_database(self, password: str) -> int:
        port, data, user = free_port(_LOOPBACK), self._folder / "mariadb", pwd.getpwuid(os.geteuid()).pw_name
        own = ["--no-defaults", f"--user={user}", f"--datadir={data}"]
        self._once([_found("mariadb-install-db"), *own, "--skip-test-db"])
        orders = self._folder / "database.sql"
        cinder_files.write_database(orders, password=password)
        command = [
            *(_found("mariadbd"), *own, f"--bind-address={_LOOPBACK}", f"--port={port}", f"--init-file={orders}"),
            *(f"--socket={data / 'socket'}", f"--pid-file={data / 'pid'}", "--skip-name-resolve"),
        ]
        self._run("mariadb", command, lambda: _listens(port))
        return port

    def _start_broker(self, password: str) -> int:
        port, folder = free_port(_LOOPBACK), self._folder / "rabbitmq"
        folder.mkdir()
        cinder_files.write_broker(folder, password=password, port=port)
        mapper = free_port(_LOOPBACK)
        # Started here, or RabbitMQ would start one that outlives it.
        self._run(
            "epmd", [_found("epmd"), "-address", _LOOPBACK, "-port", str(mapper)], lambda: _listens(mapper), env={}
        )
        environment = cinder_files.broker_environment(
            folder, port=port, distribution_port=free_port(_LOOPBACK), mapper_port=mapper
        )
        self._run("rabbitmq", [max(glob.glob(_BROKER_PROGRAM))], lambda: _listens(port), env=environment)
        return port

    def _run(
        self, name: str, command: Sequence[str], ready: Callable[[], bool], *, env: Mapping[str, str] | None = None
    ) -> None:
        component = Component(
            name,
            command,
            folder=self._folder,
            ready=ready,
            tethered=True,
            ready_timeout=_PATIENCE,
            environment={**os.environ, "PYTHONWARNINGS": "ignore", **(env or {})},
        )
        self._components[name] = component
        component.start()
        component.wait_ready()

    def _once(self, command: Sequence[str]) -> None:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise CinderFailed(f"{command[0]} ended with {done.returncode}: {done.stdout[-1500:]}")

    def _program(self, name: str) -> list[str]:
        return [str(self._environment.python), "-W", "ignore", str(self._environment.python.with_name(name))]

    def _serves(self) -> bool:
        """Whether the API knows of a volume service that works, and the scheduler of room there."""
        try:
            services = self._ask("os-services?binary=cinder-volume")["services"]
            return any(service["state"] == "up" for service in services) and bool(
                self._ask("scheduler-stats/get_pools")["pools"]
            )
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return False

    def _ask(self, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}/{path}", headers={"X-Auth-Token": f"admin:{PROJECT}"})
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)


def _found(command: str) -> str:
    path = find_command(command)
    if path is None:
        raise CinderFailed(f"{command} is missing after the installation of its package")
    return path


def _listens(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((_LOOPBACK, port)) == 0
