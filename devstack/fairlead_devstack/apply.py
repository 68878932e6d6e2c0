"""Server-side apply of whole manifests, as `kubectl apply --server-side` does, without starting a kubectl."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from kubernetes import client
from kubernetes.dynamic import DynamicClient

_FIELD_MANAGER = "fairlead-devstack"


def apply_objects(api: client.ApiClient, objects: Iterator[Mapping[str, Any]] | list[Mapping[str, Any]]) -> list[str]:
    """Apply objects in order; each may be applied again.

    Returns:
        `Kind name` of each.

    Raises:
        kubernetes.client.ApiException: the API server refused one.
    """
    applied = []
    # Without a file of its own the client leaves one in the temporary folder, named after the server's address: it
    # would stay behind, and the next control plane on that port would be taken for the last one.
    with TemporaryDirectory(prefix="fairlead-discovery-") as folder:
        cache = Path(folder) / "discovery.json"
        dynamic = DynamicClient(api, cache_file=str(cache))  # type: ignore[no-untyped-call]
        for body in objects:
            resource = dynamic.resources.get(api_version=body["apiVersion"], kind=body["kind"])
            resource.server_side_apply(
                body=dict(body),
                name=body["metadata"]["name"],
                namespace=body["metadata"].get("namespace"),
                field_manager=_FIELD_MANAGER,
                force_conflicts=True,
            )
            applied.append(f"{body['kind']} {body['metadata']['name']}")
    return applied


def documents(path: Path) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a manifest file, or of every manifest in a folder."""
    for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
        yield from filter(None, yaml.safe_load_all(file.read_text()))
