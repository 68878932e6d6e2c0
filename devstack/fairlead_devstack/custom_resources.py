"""Install CustomResourceDefinitions and wait until the API server serves them."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client

_FIELD_MANAGER = "fairlead-devstack"
_POLL = 0.05


class NotServed(Exception):
    """The API server did not get round to serving a custom resource."""


def install_manifests(api: client.ApiClient, folder: Path, *, timeout: float = 60.0) -> list[str]:
    """Apply every CustomResourceDefinition of a folder server-side and wait until all are served.

    Args:
        api: A client that may write CustomResourceDefinitions.
        folder: Where the ``*.yaml`` files are; other kinds in them are an error.
        timeout: Seconds to wait in all.

    Returns:
        The names of the definitions.

    Raises:
        ValueError: A document is something else than a CustomResourceDefinition.
        NotServed: The time is over; the message names the resource.
        kubernetes.client.ApiException: The API server refused a definition.
    """
    definitions = [document for path in sorted(folder.glob("*.yaml")) for document in _definitions(path)]
    extensions = client.ApiextensionsV1Api(api)
    for definition in definitions:
        extensions.patch_custom_resource_definition(
            definition["metadata"]["name"],
            definition,
            field_manager=_FIELD_MANAGER,
            force=True,
            _content_type="application/apply-patch+yaml",
        )
    deadline = time.monotonic() + timeout
    for definition in definitions:
        _wait_served(api, definition, deadline)
    return [definition["metadata"]["name"] for definition in definitions]


def _definitions(path: Path) -> Sequence[dict[str, Any]]:
    documents: list[dict[str, Any]] = [document for document in yaml.safe_load_all(path.read_text()) if document]
    for document in documents:
        if document.get("kind") != "CustomResourceDefinition":
            raise ValueError(f"{path} holds a {document.get('kind')}, not a CustomResourceDefinition")
    return documents


def _wait_served(api: client.ApiClient, definition: dict[str, Any], deadline: float) -> None:
    name, spec = definition["metadata"]["name"], definition["spec"]
    extensions, objects = client.ApiextensionsV1Api(api), client.CustomObjectsApi(api)
    versions = [version["name"] for version in spec["versions"] if version["served"]]
    while True:
        status = extensions.read_custom_resource_definition(name).status
        conditions = (status.conditions or []) if status else []
        # Established says that serving may begin; only an answered request shows that it has.
        if any(c.type == "Established" and c.status == "True" for c in conditions) and all(
            _lists(objects, spec["group"], version, spec["names"]["plural"]) for version in versions
        ):
            return
        if time.monotonic() > deadline:
            said = "; ".join(f"{c.type}={c.status}: {c.message}" for c in conditions)
            raise NotServed(f"the API server does not serve {name} yet: {said or 'it has no conditions'}")
        time.sleep(_POLL)


def _lists(objects: client.CustomObjectsApi, group: str, version: str, plural: str) -> bool:
    try:
        objects.list_cluster_custom_object(group, version, plural, limit=1)
    except client.ApiException as error:
        if error.status != 404:
            raise
        return False
    return True
