"""Every write that the operator makes to its own kinds. All are compare-and-swaps on what was decided on, and each
answer goes straight into the view, so that the next decision sees it."""

from collections.abc import Mapping
from typing import Any, TypeVar

from fairlead_crds import names
from fairlead_crds.kinds import Attachment, Backend, Resource, Volume
from fairlead_crds.schema import Model
from fairlead_kube.client import JSON_PATCH, KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, BACKENDS, VOLUMES, Endpoint
from fairlead_operator.stages import Stages
from fairlead_operator.view import View

R = TypeVar("R", bound=Resource[Any, Any])

_ENDPOINTS: dict[type, Endpoint[Any]] = {Attachment: ATTACHMENTS, Volume: VOLUMES, Backend: BACKENDS}


class Writer:
    """Writes objects for one process."""

    def __init__(self, client: KubeClient, view: View) -> None:
        self._client = client
        self._view = view
        self._stages = Stages(view.attachments)

    async def status(self, item: R, status: Model) -> R:
        """Write the whole status, if the object is still the version that was decided on.

        A JSON patch that also sets the resourceVersion: the API server compares it (409), and lists are replaced whole.

        Raises:
            Conflict: it is not that version any more.
            NotFound: it is gone.
        """
        meta = item.metadata
        patch = [
            {"op": "replace", "path": "/metadata/resourceVersion", "value": meta.resource_version},
            {"op": "add", "path": "/status", "value": _worth_storing(status)},
        ]
        written = await self._patch(item, patch, subresource="status", content_type=JSON_PATCH)
        self._stages.wrote(item, written, _backend_of(written))
        return written

    async def adopt(self, item: R, *, backend: str, handle: str) -> R:
        """W0: finalizer, id, backend and handle, in one patch on that very object."""
        meta = item.metadata
        return await self._patch(
            item,
            {
                "metadata": {
                    "uid": meta.uid,
                    "resourceVersion": meta.resource_version,
                    "finalizers": [*meta.finalizers, *({names.FINALIZER} - set(meta.finalizers))],
                    "labels": {names.LABEL_ID: item.id, names.LABEL_BACKEND: backend},
                    "annotations": {names.ANNOTATION_HANDLE: handle},
                }
            },
        )

    async def guard(self, item: R) -> R:
        """Put our finalizer on, and nothing else."""
        return await self._finalizers(item, [*item.metadata.finalizers, names.FINALIZER])

    async def finalize(self, item: R) -> R:
        """Take our finalizer off."""
        # Asked before the answer is in the view: it may be the object's last word.
        with self._stages.leaving(item, _backend_of(item)):
            return await self._finalizers(item, [f for f in item.metadata.finalizers if f != names.FINALIZER])

    async def _finalizers(self, item: R, finalizers: list[str]) -> R:
        meta = item.metadata
        body = {"metadata": {"uid": meta.uid, "resourceVersion": meta.resource_version, "finalizers": finalizers}}
        return await self._patch(item, body)

    async def expire(self, item: Resource[Any, Any]) -> None:
        """Delete an object that has ended by itself, if it is still the version that was decided on."""
        meta = item.metadata
        await self._client.delete(
            _ENDPOINTS[type(item)],
            meta.name,
            meta.namespace,
            uid=meta.uid,
            resource_version=meta.resource_version,
        )

    async def _patch(self, item: R, body: list[Any] | Mapping[str, Any], **options: Any) -> R:
        meta = item.metadata
        written: R = await self._client.patch(_ENDPOINTS[type(item)], meta.name, body, meta.namespace, **options)
        self._view.wrote(item, written)
        return written


def _worth_storing(status: Model) -> dict[str, Any]:
    """An empty list reads the same as none, and would be stored and sent with each object."""
    return {field: value for field, value in status.wire().items() if value != []}


def _backend_of(item: Resource[Any, Any]) -> str:
    return item.metadata.labels.get(names.LABEL_BACKEND, "")
