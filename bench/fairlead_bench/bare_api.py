"""The writes of a one-step life and nothing else: what the API server alone costs.

The objects are copies of real ones of each stage, in kinds that are copied from Fairlead's into another API group. So
the API server stores as many bytes and checks the same schema and rules, while nobody watches, and no policy is asked.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self

from fairlead_bench.rest_load import RestLoad
from fairlead_crds import names
from fairlead_crds.kinds import KINDS
from fairlead_devstack.api_client import connect
from fairlead_devstack.custom_resources import install_manifests
from fairlead_devstack.stack import MANIFESTS
from fairlead_kube.client import JSON_PATCH, MERGE_PATCH, KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, VOLUMES
from fairlead_kube.errors import NotFound

_GROUP = "bare-api.dev"
"""As long as Fairlead's, so that objects stay as long too."""

_PREFIX = f"/apis/{_GROUP}/{names.VERSION}"

Object = Mapping[str, Any]


def install_copies(kubeconfig: Path) -> None:
    """Have the API server serve the copied kinds; may be repeated."""
    with TemporaryDirectory(prefix="fairlead-kinds-") as folder:
        for path in MANIFESTS.glob("*.yaml"):
            (Path(folder) / path.name).write_text(path.read_text().replace(names.GROUP, _GROUP))
        with connect(kubeconfig) as api:
            install_manifests(api, Path(folder))


async def remove_copies(client: KubeClient) -> None:
    """Begin the end of the copied kinds."""
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    for kind in KINDS:
        # Installing them may have been interrupted.
        with suppress(NotFound):
            await client.request("DELETE", f"{definitions}/{kind.plural}.{_GROUP}")


@dataclass(frozen=True, kw_only=True)
class Stages:
    """A real Volume and Attachment as they were at each stage of a one-step life through REST."""

    volume_exported: Object
    attachment_exported: Object
    attachment_completed: Object
    volume_released: Object

    @classmethod
    async def record(cls, client: KubeClient, load: RestLoad) -> Self:
        """Go through a life and look at it between the requests."""

        async def look(attachment: str) -> tuple[Object, Object]:
            found = (await client.request("GET", ATTACHMENTS.path()))["items"]
            item = next(item for item in found if item["metadata"]["name"] == attachment)
            meta = item["metadata"]
            place = VOLUMES.path(meta["namespace"], item["spec"]["volumeName"])
            return item, await client.request("GET", place)

        volume = await load.create_volume()
        attachment = await load.attach(volume)
        exported, holding = await look(attachment)
        await load.complete(attachment)
        completed = exported
        while completed["status"].get("phase") != "Completed":
            await asyncio.sleep(0.01)
            completed, _ = await look(attachment)
        await load.detach(attachment)
        place = VOLUMES.path(holding["metadata"]["namespace"], holding["metadata"]["name"])
        released = await client.request("GET", place)
        return cls(
            volume_exported=_copied(holding),
            attachment_exported=_copied(exported),
            attachment_completed=_copied(completed),
            volume_released=_copied(released),
        )

    @property
    def namespace(self) -> str:
        """Where they were."""
        return str(self.volume_exported["metadata"]["namespace"])


class BareLife:
    """Lives of copied Attachments, one after another, on one copied Volume.

    Attributes:
        seconds: of every single write, by what it is.
    """

    def __init__(self, client: KubeClient, stages: Stages) -> None:
        self._client = client
        self._stages = stages
        self._volume: Object = {}
        self._attachment: Object = {}
        self.seconds: dict[str, list[float]] = {}

    async def begin(self) -> None:
        """Make the Volume."""
        released = self._stages.volume_released
        body = _fresh(released, name=str(uuid.uuid4()))
        self._volume = await self._client.request("POST", self._at("volumes"), body=body)
        await self._volume_status(released)

    async def end(self) -> None:
        """Remove the Volume."""
        await self._client.request("DELETE", self._at("volumes", self._volume))
        await self._finalize("volumes", self._volume)

    async def create(self) -> str:
        """W1. Returns the Attachment's name."""
        body = _fresh(self._stages.attachment_exported, name=str(uuid.uuid4()))
        body["spec"]["volumeName"] = self._volume["metadata"]["name"]
        self._attachment = await self._write("create", "POST", self._at("attachments"), body)
        return str(self._attachment["metadata"]["name"])

    async def admit(self) -> None:
        """W2: the ledger's new entry."""
        await self._volume_status(self._stages.volume_exported)

    async def publish(self) -> None:
        """W4: the connection."""
        await self._attachment_status(self._stages.attachment_exported)

    async def complete(self) -> None:
        """The node's word, and its answer in the status."""
        completed = self._stages.attachment_completed
        patch = [
            _version(self._attachment),
            {"op": "add", "path": "/spec/completed", "value": True},
            {"op": "add", "path": "/metadata/annotations", "value": completed["metadata"]["annotations"]},
        ]
        place = self._at("attachments", self._attachment)
        self._attachment = await self._write("spec patch", "PATCH", place, patch, JSON_PATCH)
        await self._attachment_status(completed)

    async def ask_deletion(self) -> None:
        """The DELETE that the finalizer holds up."""
        meta = self._attachment["metadata"]
        body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]},
        }
        place = self._at("attachments", self._attachment)
        self._attachment = await self._write("delete", "DELETE", place, body)

    async def release(self) -> None:
        """The ledger without the entry, then the finalizer's end."""
        await self._volume_status(self._stages.volume_released)
        await self._finalize("attachments", self._attachment)

    async def _volume_status(self, like: Object) -> None:
        self._volume = await self._status("volumes", self._volume, like)

    async def _attachment_status(self, like: Object) -> None:
        self._attachment = await self._status("attachments", self._attachment, like)

    async def _status(self, plural: str, item: Object, like: Object) -> Object:
        patch = [_version(item), {"op": "add", "path": "/status", "value": like["status"]}]
        return await self._write("status patch", "PATCH", f"{self._at(plural, item)}/status", patch, JSON_PATCH)

    async def _finalize(self, plural: str, item: Object) -> None:
        body = {"metadata": {"uid": item["metadata"]["uid"], "finalizers": []}}
        await self._write("finalizer patch", "PATCH", self._at(plural, item), body, MERGE_PATCH)

    async def _write(
        self, what: str, method: str, path: str, body: Any, content_type: str = "application/json"
    ) -> Object:
        began = time.perf_counter()
        answer: Object = await self._client.request(method, path, body=body, content_type=content_type)
        self.seconds.setdefault(what, []).append(time.perf_counter() - began)
        return answer

    def _at(self, plural: str, item: Object | None = None) -> str:
        collection = f"{_PREFIX}/namespaces/{self._stages.namespace}/{plural}"
        return collection if item is None else f"{collection}/{item['metadata']['name']}"


def _copied(item: Object) -> Object:
    """The object with every mark of Fairlead's group changed into the copy's."""
    copied: Object = json.loads(json.dumps(item).replace(names.GROUP, _GROUP))
    return copied


def _fresh(item: Object, *, name: str) -> dict[str, Any]:
    """A new object like that one."""
    kept: Sequence[str] = ("namespace", "labels", "annotations", "finalizers")
    meta = {key: item["metadata"][key] for key in kept if key in item["metadata"]}
    return {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "metadata": {"name": name, **meta},
        "spec": {**item["spec"]},
    }


def _version(item: Object) -> Mapping[str, Any]:
    return {"op": "replace", "path": "/metadata/resourceVersion", "value": item["metadata"]["resourceVersion"]}
