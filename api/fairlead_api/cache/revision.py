"""Changing an object under optimistic concurrency: decide on a version, write against that version, else look again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Generic, TypeVar

from fairlead_api.protocol.faults import Conflict
from fairlead_crds.kinds import Resource
from fairlead_kube import errors as kube
from fairlead_kube.client import JSON_PATCH, KubeClient
from fairlead_kube.endpoints import Endpoint
from fairlead_kube.store import Store
from fairlead_telemetry import tracing

R = TypeVar("R", bound=Resource[Any, Any])

Operation = dict[str, Any]
"""One operation of a JSON patch. JSON patches, not merge patches: only they keep a connector's nulls."""

ATTEMPTS: Final = 8
"""How often a write is decided anew. Each loss means that another writer got on, so this many in a row are rare."""


def put(path: str, value: Any) -> Operation:
    """Set a member, whether it is there or not."""
    return {"op": "add", "path": path, "value": value}


def drop(path: str) -> Operation:
    """Remove a member, which must be there."""
    return {"op": "remove", "path": path}


def pointer(*steps: str) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)


def annotate(item: Resource[Any, Any], changes: Mapping[str, str | None]) -> list[Operation]:
    """The patch that sets annotations, or (None) takes them away; what is so already is left out."""
    have = item.metadata.annotations
    operations = []
    for key, value in changes.items():
        if value is None and key in have:
            operations.append(drop(pointer("metadata", "annotations", key)))
        elif value is not None and have.get(key) != value:
            operations.append(put(pointer("metadata", "annotations", key), value))
    if operations and not have:
        # A JSON patch cannot add to a map that is not there.
        return [put("/metadata/annotations", {}), *operations]
    return operations


def _with_request(item: Resource[Any, Any], operations: Sequence[Operation]) -> list[Operation]:
    """Say in the same patch which request makes it, so that the operator can."""
    carried = annotate(item, tracing.annotations())
    # Both may begin by making the map; twice would empty it again.
    makes_map = any(operation["path"] == "/metadata/annotations" for operation in operations)
    return [*operations, *(carried[1:] if makes_map and not item.metadata.annotations else carried)]


class Writer(Generic[R]):
    """Writes objects of one kind and lets the store see each answer, so that a caller's own writes are read at once."""

    def __init__(self, client: KubeClient, endpoint: Endpoint[R], store: Store[R]) -> None:
        self._client = client
        self._endpoint = endpoint
        self.store = store

    async def create(self, body: dict[str, Any], namespace: str) -> R:
        """Create an object."""
        meta = body["metadata"]
        carried = {**meta.get("annotations", {}), **tracing.annotations()}
        item = await self._client.create(
            self._endpoint, {**body, "metadata": {**meta, "annotations": carried}}, namespace
        )
        self.store.apply(item)
        return item

    async def revise(self, item: R, decide: Callable[[R], Sequence[Operation]]) -> R:
        """Change an object.

        Args:
            item: the object as last seen.
            decide: given the newest version, the patch; it raises to refuse. An empty patch writes nothing. It is
                called again when somebody else wrote in between.

        Raises:
            Conflict: it changed each time.
            NotFound: it is gone, or another object has its name (fairlead_kube.errors).
        """
        uid = item.metadata.uid
        for _ in range(ATTEMPTS):
            operations = list(decide(item))
            if not operations:
                return item
            version = {"op": "replace", "path": "/metadata/resourceVersion", "value": item.metadata.resource_version}
            meta = item.metadata
            try:
                written = await self._client.patch(
                    self._endpoint,
                    meta.name,
                    [version, *_with_request(item, operations)],
                    meta.namespace,
                    content_type=JSON_PATCH,
                )
            except kube.Conflict:
                item = await self._again(item, uid)
                continue
            self.store.apply(written)
            return written
        raise Conflict("Resource conflict: the resource keeps changing; try again.")

    async def delete(self, item: R, decide: Callable[[R], None] | None = None) -> None:
        """Ask for an object's deletion.

        Args:
            item: the object as last seen.
            decide: given the newest version, raises to refuse. Called again when somebody else wrote in between. None:
                it goes whatever its version, as long as it is this object.

        Raises:
            Conflict: it changed each time.
        """
        uid = item.metadata.uid
        for _ in range(ATTEMPTS):
            meta, version = item.metadata, None
            if decide is not None:
                decide(item)
                version = meta.resource_version
            try:
                answer = await self._client.delete(
                    self._endpoint, meta.name, meta.namespace, uid=uid, resource_version=version
                )
            except kube.Conflict:
                item = await self._again(item, uid)
                continue
            except kube.NotFound:
                self.store.remove(item)
                return
            if answer.get("kind") == "Status":
                # Without a finalizer the object is gone at once.
                self.store.remove(item)
            else:
                self.store.apply(self._endpoint.parse(answer))
            return
        raise Conflict("Resource conflict: the resource keeps changing; try again.")

    async def _again(self, item: R, uid: str) -> R:
        meta = item.metadata
        newest = await self._client.get(self._endpoint, meta.name, meta.namespace)
        if newest.metadata.uid != uid:
            raise kube.NotFound(404, "NotFound", f"{meta.name} was replaced")
        self.store.apply(newest)
        return newest
