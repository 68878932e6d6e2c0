"""The console script `fairlead-operator`."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from importlib.metadata import version

import kopf
from kubernetes.aio.config import ConfigException
from prometheus_client import REGISTRY

from fairlead_kube.client import KubeClient
from fairlead_operator.declared_backends import apply_declared
from fairlead_operator.handlers import NothingToRemember, make_registry, make_settings
from fairlead_operator.observation import Observation
from fairlead_operator.probes import probes
from fairlead_operator.runtime import Runtime
from fairlead_operator.settings import PROGRAM, Settings
from fairlead_telemetry import event_loop
from fairlead_telemetry.api_requests import count_request
from fairlead_telemetry.logs import set_up
from fairlead_telemetry.side_port import SidePort, serving
from fairlead_telemetry.tracing import TracingUnavailable, exporting


async def run(settings: Settings) -> None:
    """Run until a signal asks to stop; then finish what is under way and release the Leases."""
    async with await KubeClient.from_environment(
        PROGRAM, on_answer=count_request, namespaces=settings.namespaces
    ) as client:
        runtime = Runtime(settings, client)
        REGISTRY.register(Observation(runtime, patience=settings.patience))
        async with serving(*_side_ports(settings, runtime)), _declaring(client, settings):
            await kopf.operator(
                registry=make_registry(runtime, client),
                settings=make_settings(settings.shard),
                # The kinds that are the cluster's are watched either way.
                clusterwide=not settings.namespaces,
                namespaces=settings.namespaces,
                standalone=True,
                memories=NothingToRemember(),
                # Of no use without peering; but kopf would look for the user's name, which a container's user has not.
                identity=settings.identity,  # type: ignore[arg-type]  # kopf's type of it is not public
            )


def _side_ports(settings: Settings, runtime: Runtime) -> list[SidePort]:
    ports, reporting = [], settings.reporting
    if settings.health_port is not None:
        answers = probes(runtime, watch_patience=settings.watch_patience, lease_duration=settings.lease.duration)
        ports.append(SidePort(host=settings.health_host, port=settings.health_port, probes=answers))
    if reporting.metrics_port is not None:
        ports.append(SidePort(host=reporting.metrics_host, port=reporting.metrics_port, metrics=True))
    return ports


@contextlib.asynccontextmanager
async def _declaring(client: KubeClient, settings: Settings) -> AsyncIterator[None]:
    """Apply the declared Backends beside everything else: an operator serves what is there, declared or not."""
    if settings.backends_from is None:
        yield
        return
    applying = asyncio.create_task(apply_declared(client, settings.backends_from, settings.system_namespace))
    try:
        yield
    finally:
        applying.cancel()
        await asyncio.gather(applying, return_exceptions=True)


def main() -> None:
    """Parse options, set up logging, run."""
    settings = Settings.from_arguments()
    set_up(settings.reporting.log_format, level=settings.log_level, ours=("fairlead_operator", "fairlead_kube"))
    try:
        with exporting(PROGRAM, version("fairlead"), settings.reporting.otlp_endpoint):
            event_loop.run(run(settings))
    except ConfigException as error:
        sys.exit(f"{PROGRAM}: no cluster to talk to: {error}")
    except TracingUnavailable as error:
        sys.exit(f"{PROGRAM}: {error}")


if __name__ == "__main__":
    main()
