"""What is asked of a process beside its work: metrics and probes, on ports of their own.

Served by the event loop that does the work: a loop that is stuck does not say that it is well.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import web
from prometheus_client import REGISTRY, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Probe = Callable[[], str | None]
"""Says what is wrong; None: nothing is."""

METRICS: Final = "/metrics"

# A third series per counter, which nothing here reads.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, kw_only=True)
class Probes:
    """The three questions that a kubelet asks, and what each answer leads to.

    Attributes:
        startup: has it begun? Until then nothing else is asked.
        ready: can it do its work now? If not, nobody is sent to it.
        live: would a new start help? If not, it is killed.
    """

    startup: Probe
    ready: Probe
    live: Probe

    @property
    def paths(self) -> Mapping[str, Probe]:
        """Where each is asked."""
        return {"/startupz": self.startup, "/readyz": self.ready, "/livez": self.live, "/healthz": self.live}


@dataclass(frozen=True, kw_only=True)
class SidePort:
    """An address to serve on. `metrics` and `probes` say what."""

    host: str
    port: int
    metrics: bool = False
    probes: Probes | None = None


@contextlib.asynccontextmanager
async def serving(*ports: SidePort) -> AsyncIterator[None]:
    """Serve while in the context.

    Raises:
        OSError: an address cannot be listened on.
    """
    async with contextlib.AsyncExitStack() as stack:
        for port in ports:
            runner = web.AppRunner(_app(port), access_log=None, shutdown_timeout=1)
            stack.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, port.host, port.port).start()
        yield


def _app(port: SidePort) -> web.Application:
    app = web.Application()
    if port.metrics:
        app.router.add_get(METRICS, _metrics)
    if port.probes is not None:
        for path, probe in port.probes.paths.items():
            app.router.add_get(path, _answering(probe))
    return app


async def _metrics(request: web.Request) -> web.Response:
    del request
    return web.Response(body=generate_latest(REGISTRY), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _answering(probe: Probe) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        del request
        wrong = probe()
        return web.Response(status=503 if wrong else 200, text=f"{wrong or 'ok'}\n")

    return answer
