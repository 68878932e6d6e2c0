"""`python -m fairlead_operator.uninstall`: run before Fairlead is removed from a cluster, while its operators still
work, so that nothing is left that only they could finish.

It refuses while there are Attachments (a node may be writing), or detaches them when told to. Backends without volumes
are deleted and waited for. Volumes are data and are never touched: with the kinds kept they stay for the next
installation, and when the kinds are to go as well it refuses until they are gone.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from fairlead_crds import names
from fairlead_crds.kinds import Resource
from fairlead_kube import scope
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, BACKENDS, VOLUMES, Endpoint
from fairlead_kube.errors import KubeError, NotFound

_SHOWN = 10
_POLL = 0.5


class Refused(Exception):
    """What must be done first, for the person who wanted to uninstall."""


async def prepare(
    client: KubeClient, *, drain: bool, keep_kinds: bool, timeout: float, say: Callable[[str], None]
) -> None:
    """Bring the cluster into a state in which the operators may go.

    Args:
        client: may list and delete Attachments (with `force-detach`) and Backends, and list Volumes.
        drain: detach what is attached instead of refusing.
        keep_kinds: the CustomResourceDefinitions stay.
        timeout: seconds until what was deleted must be gone.
        say: tells the person what happens.

    Raises:
        Refused: nothing was, or not everything could be, removed.
        KubeError: the API server did not answer as expected.
    """
    deadline = time.monotonic() + timeout
    attachments = await _all(client, ATTACHMENTS)
    volumes = await _all(client, VOLUMES)
    if attachments and not drain:
        raise Refused(f"there are Attachments: {_some(attachments)}. Delete them, or set uninstall.policy to Drain")
    if volumes and not keep_kinds:
        raise Refused(
            f"crds.keep is false and there are Volumes: {_some(volumes)}. They are data and would be lost: "
            "delete them, or set crds.keep"
        )
    if attachments:
        say(f"detaching {_some(attachments)}")
        await _delete(client, ATTACHMENTS, attachments)
        await _until_gone(lambda: _all(client, ATTACHMENTS), deadline, "Attachments")
    used = {volume.metadata.labels.get(names.LABEL_BACKEND) for volume in volumes}
    idle = [backend for backend in await _all(client, BACKENDS) if backend.metadata.name not in used]
    if idle:
        say(f"deleting the Backends without volumes: {_some(idle)}")
        await _delete(client, BACKENDS, idle)
        gone = {backend.metadata.uid for backend in idle}

        async def left() -> list[Any]:
            return [backend for backend in await _all(client, BACKENDS) if backend.metadata.uid in gone]

        await _until_gone(left, deadline, "Backends")
    if volumes:
        say(f"kept, with their Backends, for the next installation: {_some(volumes)}")


async def _all(client: KubeClient, endpoint: Endpoint[Any]) -> list[Any]:
    try:
        return list((await client.list(endpoint)).items)
    except NotFound:
        # The kind itself is not installed.
        return []


async def _delete(client: KubeClient, endpoint: Endpoint[Any], items: Sequence[Resource[Any, Any]]) -> None:
    for item in items:
        meta = item.metadata
        try:
            await client.delete(endpoint, meta.name, meta.namespace, uid=meta.uid)
        except NotFound:
            continue


async def _until_gone(left: Callable[[], Awaitable[list[Any]]], deadline: float, what: str) -> None:
    while remaining := await left():
        if time.monotonic() > deadline:
            raise Refused(
                f"{what} do not go: {_some(remaining)}. Their conditions say why (kubectl describe); uninstall again "
                "once they are gone"
            )
        await asyncio.sleep(_POLL)


def _some(items: Sequence[Resource[Any, Any]]) -> str:
    shown = ["/".join(filter(None, (item.metadata.namespace, item.metadata.name))) for item in items[:_SHOWN]]
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(shown) + more


async def _run(options: argparse.Namespace) -> None:
    async with await KubeClient.from_environment("fairlead-uninstall", namespaces=options.namespaces) as client:
        await prepare(
            client,
            drain=options.policy == "Drain",
            keep_kinds=options.keep_kinds,
            timeout=options.timeout,
            say=lambda text: print(text, flush=True),
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fairlead_operator.uninstall", description=__doc__)
    parser.add_argument("--policy", choices=["Refuse", "Drain"], default="Refuse", help="(default: Refuse)")
    parser.add_argument("--keep-kinds", action="store_true", help="the CustomResourceDefinitions stay")
    parser.add_argument("--timeout", type=float, default=120.0, metavar="SECONDS", help="(default: %(default)s)")
    scope.add_option(parser, "")
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_run(options))
    except (Refused, KubeError) as error:
        print(f"not uninstalled: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
