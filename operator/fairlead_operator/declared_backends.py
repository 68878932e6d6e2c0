"""Backends declared in files, applied at start.

A chart cannot create objects of a kind that it installs in the same step, so it mounts them as files and the operator
applies them. What a file declares is Fairlead's from then on: a change of it by hand lasts until the next start. A
Backend that is no longer declared stays, with its volumes, until somebody deletes it.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from fairlead_crds import names
from fairlead_crds.kinds import Backend
from fairlead_kube.client import APPLY_PATCH, KubeClient
from fairlead_kube.endpoints import BACKENDS, Endpoint
from fairlead_kube.errors import KubeError

FIELD_MANAGER = "fairlead-declared"

PORTAL_SERVICE = f"{names.GROUP}/portal-service"
"""Annotation of a declared Backend: `name:port` of a Service in the system namespace. Its address becomes the driver's
`portal`, because nodes resolve no cluster names, and no author of a file can know the address before the Service is."""

_SERVICES = Endpoint(prefix="/api/v1", plural="services", parse=lambda body: body)
_LONGEST_PAUSE = 10.0

_log = logging.getLogger(__name__)


class Undeclarable(Exception):
    """A file says something that cannot be applied, or cannot be yet; the message says what and where."""


async def apply_declared(client: KubeClient, folder: Path, namespace: str) -> None:
    """Apply every Backend of a folder, trying again until each is taken.

    Args:
        client: as the operator.
        folder: its `*.yaml` files hold Backends; other files are left alone.
        namespace: where the Services named by portal annotations are.
    """
    pause = 0.5
    waiting = _files(folder)
    if not waiting:
        _log.warning("no Backend is declared in %s", folder)
    while waiting:
        waiting = [path for path in waiting if not await _applied(client, path, namespace)]
        if waiting:
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.yaml"))


async def _applied(client: KubeClient, path: Path, namespace: str) -> bool:
    try:
        for body in declared_in(path):
            name = body["metadata"]["name"]
            resolved = await _with_portal(client, body, namespace)
            await client.patch(
                BACKENDS,
                name,
                resolved,
                content_type=APPLY_PATCH,
                params={"fieldManager": FIELD_MANAGER, "force": "true"},
            )
            _log.info("declared Backend %s is applied", name)
    except (Undeclarable, KubeError) as error:
        # None of them is final: a file may be corrected in place, a Service or the kind itself may come later.
        _log.warning("%s: not applied yet: %s", path.name, error)
        return False
    return True


def declared_in(path: Path) -> Iterator[dict[str, Any]]:
    """Read the Backends of a file.

    Raises:
        Undeclarable: it is no YAML, or holds something else.
    """
    try:
        documents = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise Undeclarable(f"cannot be read: {error}") from error
    for body in filter(None, documents):
        if not isinstance(body, dict) or (body.get("apiVersion"), body.get("kind")) != (
            names.API_VERSION,
            Backend.kind,
        ):
            raise Undeclarable(f"holds something else than a {names.API_VERSION} Backend")
        if not isinstance(body.get("metadata"), dict) or not body["metadata"].get("name"):
            raise Undeclarable("holds a Backend without a name")
        yield body


async def _with_portal(client: KubeClient, body: dict[str, Any], namespace: str) -> dict[str, Any]:
    wanted = (body["metadata"].get("annotations") or {}).get(PORTAL_SERVICE)
    if wanted is None:
        return body
    name, _, port = str(wanted).rpartition(":")
    if not name or not port.isdigit():
        raise Undeclarable(f"annotation {PORTAL_SERVICE} is {wanted!r}, not name:port")
    address = service_address(await client.get(_SERVICES, name, namespace))
    spec = body.get("spec") or {}
    parameters = {**(spec.get("parameters") or {}), "portal": f"{address}:{port}"}
    return {**body, "spec": {**spec, "parameters": parameters}}


def service_address(service: Mapping[str, Any]) -> str:
    """Return the address at which nodes reach a Service; IPv6 in brackets.

    That of its load balancer when it is of that type, else its cluster IP, which every node of the cluster can use.

    Raises:
        Undeclarable: it has none, or not yet.
    """
    name, spec = service["metadata"]["name"], service.get("spec") or {}
    if spec.get("type") == "LoadBalancer":
        entries = ((service.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        found = next((entry.get("ip") or entry.get("hostname") for entry in entries), None)
        if not found:
            raise Undeclarable(f"Service {name} has no load balancer address yet")
    else:
        found = spec.get("clusterIP")
        if not found or found == "None":
            raise Undeclarable(f"Service {name} has no address of its own (clusterIP: {found or 'none'})")
    try:
        return f"[{found}]" if ipaddress.ip_address(found).version == 6 else str(found)
    except ValueError:
        # A load balancer may be known by name only.
        return str(found)
