"""The process `fairlead-api`."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Generator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import uvicorn
from prometheus_client import REGISTRY

from fairlead_api.app import create_app
from fairlead_api.facade import Facade
from fairlead_api.metrics import CacheFreshness
from fairlead_api.probes import probes
from fairlead_api.settings import PROGRAM, Settings
from fairlead_api.transport import wire
from fairlead_api.transport.certificates import Certificates
from fairlead_kube.client import KubeClient
from fairlead_telemetry import event_loop
from fairlead_telemetry.api_requests import count_request
from fairlead_telemetry.logs import set_up
from fairlead_telemetry.side_port import SidePort, serving
from fairlead_telemetry.tracing import TracingUnavailable, exporting

_GRACE: Final = 5.0
"""Seconds beyond the export timeout that requests in flight get at shutdown: a rollback takes a moment."""

_SECURITY_HEADERS: Final = [
    # Answers carry credentials, and depend on who asks.
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
]
_TLS_HEADERS: Final = [("Strict-Transport-Security", "max-age=31536000")]

_LOGGERS: Final = ("fairlead", "fairlead_api", "fairlead_kube")

_log = logging.getLogger("fairlead_api")


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then finish what is in flight and stop."""
    settings = Settings.read(sys.argv[1:] if arguments is None else arguments)
    set_up(settings.reporting.log_format, level=settings.log_level, ours=_LOGGERS)
    try:
        with exporting(PROGRAM, version("fairlead"), settings.reporting.otlp_endpoint):
            event_loop.run(serve(settings))
    except TracingUnavailable as error:
        sys.exit(f"{PROGRAM}: {error}")
    except OSError as error:
        sys.exit(f"{PROGRAM}: cannot listen on {settings.host} port {settings.port}: {error.strerror or error}")


async def serve(settings: Settings) -> None:
    """Serve until told to stop."""
    certificates = _certificates(settings)
    listener = _listen(settings)
    address, port = listener.getsockname()[:2]
    async with (
        await KubeClient.from_environment(PROGRAM, on_answer=count_request, namespaces=settings.namespaces) as client,
        _reporting(settings, facade := Facade.build(client, settings)),
    ):
        config = uvicorn.Config(
            create_app(facade),
            log_config=None,
            access_log=False,
            server_header=False,
            headers=_SECURITY_HEADERS + (_TLS_HEADERS if certificates is not None else []),
            http=wire.protocol(settings.transport),
            # Nothing here speaks WebSocket.
            ws="none",
            ssl_context_factory=None if certificates is None else lambda _, __: certificates.context,
            lifespan="on",
            timeout_graceful_shutdown=int(settings.export_timeout + _GRACE),
        )
        wire.quieten()
        server = _Server(config)
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        running = asyncio.create_task(server.serve(sockets=[listener]))
        announcing = asyncio.create_task(_announce(facade, settings, address, port))
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await running
        finally:
            for task in (announcing, stopping):
                task.cancel()
            if settings.port_file is not None:
                settings.port_file.unlink(missing_ok=True)
    _log.info("stopped")


def _reporting(settings: Settings, facade: Facade) -> contextlib.AbstractAsyncContextManager[None]:
    """Metrics and probes, beside the port that callers know."""
    REGISTRY.register(CacheFreshness(facade.mirror))
    options = settings.reporting
    if options.metrics_port is None:
        return contextlib.nullcontext()
    answers = probes(facade.mirror)
    return serving(SidePort(host=options.metrics_host, port=options.metrics_port, metrics=True, probes=answers))


async def _announce(facade: Facade, settings: Settings, address: str, port: int) -> None:
    """Tell where requests are served, once they can be."""
    await facade.mirror.wait_synced()
    _log.info("serving on %s port %d, auth mode %s", address, port, settings.auth_mode)
    if settings.port_file is not None:
        _write_whole(settings.port_file, f"{port}\n")


def _write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees all of it or nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text)
    partial.replace(path)


class _Server(uvicorn.Server):
    """uvicorn's server without its own signal handling, which would raise the signal again at the end."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to `serve`."""
        yield


def _certificates(settings: Settings) -> Certificates | None:
    """Load the certificate; a bad one is said at the start."""
    options = settings.transport
    if options.certificate is None:
        return None
    try:
        return Certificates(options.certificate, options.key)
    except OSError as error:
        sys.exit(f"{PROGRAM}: TLS certificate {options.certificate}: {error.strerror or error}")


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only for sockets that say they are TCP.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError:
        listener.close()
        raise
    return listener


if __name__ == "__main__":
    main()
