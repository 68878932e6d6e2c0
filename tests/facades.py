"""Further facades beside the shared one: in another auth mode, with TLS, with limits."""

import contextlib
import http.client
import os
import ssl
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fairlead_crds import names
from fairlead_devstack.component import Component
from fairlead_devstack.ports import free_port
from fairlead_devstack.stack import Stack


@dataclass(frozen=True)
class RunningFacade:
    """A facade that serves."""

    port: int
    process: Component
    tls: bool = False

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.process.log_path.read_text(errors="replace")


@contextlib.contextmanager
def facade(
    stack: Stack,
    name: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    tls: bool = False,
    launcher: tuple[str, ...] = (),
) -> Iterator[RunningFacade]:
    """Run a facade on the shared control plane, as the ServiceAccount that it has in a cluster."""
    port = free_port("127.0.0.1")
    command = [
        *launcher,
        *(sys.executable, "-m", "fairlead_api.main", "--port", str(port), "--log-level", "debug", *options),
    ]
    kubeconfig = stack.folder / f"{names.FACADE_ACCOUNT}.kubeconfig"
    process = Component(
        name,
        command,
        folder=stack.folder,
        ready=lambda: _serves(port, tls),
        tethered=True,
        ready_timeout=60.0,
        environment={
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "FAIRLEAD_LOG_FORMAT": "text",
            **(environment or {}),
        },
    )
    process.start()
    try:
        process.wait_ready()
        yield RunningFacade(port, process, tls)
    finally:
        process.terminate()


def _serves(port: int, tls: bool) -> bool:
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=2, context=context)
    else:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthcheck")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def write_private(path: Path, text: str) -> Path:
    """Write a file that only its owner may read."""
    path.touch(mode=0o600)
    path.write_text(text)
    return path
