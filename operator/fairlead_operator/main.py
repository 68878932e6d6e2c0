"""The console script `fairlead-operator`."""

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator

import kopf
from kubernetes.aio.config import ConfigException

from fairlead_kube.client import KubeClient
from fairlead_operator.declared_backends import apply_declared
from fairlead_operator.handlers import make_registry, make_settings
from fairlead_operator.runtime import Runtime
from fairlead_operator.settings import Settings


async def run(settings: Settings) -> None:
    """Run until a signal asks to stop; then finish what is under way and release the Leases."""
    async with await KubeClient.from_environment() as client:
        runtime = Runtime(settings, client)
        liveness = None
        if settings.health_port is not None:
            host = f"[{settings.health_host}]" if ":" in settings.health_host else settings.health_host
            liveness = f"http://{host}:{settings.health_port}/healthz"
        async with _declaring(client, settings):
            await kopf.operator(
                registry=make_registry(runtime),
                settings=make_settings(),
                clusterwide=True,
                standalone=True,
                # Of no use without peering; but kopf would look for the user's name, which a container's user has not.
                identity=settings.identity,  # type: ignore[arg-type]  # kopf's type of it is not public
                liveness_endpoint=liveness,
            )


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
    logging.basicConfig(
        level=logging.WARNING, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s", stream=sys.stderr
    )
    logging.getLogger("fairlead_operator").setLevel(settings.log_level)
    logging.getLogger("fairlead_kube").setLevel(settings.log_level)
    try:
        asyncio.run(run(settings))
    except ConfigException as error:
        sys.exit(f"fairlead-operator: no cluster to talk to: {error}")


if __name__ == "__main__":
    main()
