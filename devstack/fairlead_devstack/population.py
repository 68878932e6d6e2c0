"""Very many Volumes, each with an exported Attachment, written straight to the API server.

One pair really lives, through the facade and the operator, on a Backend of the driver `record`; the others are copies
of what that left behind, with ids of their own, and the driver's notes are copied with them. So an operator finds
nothing to do to any of them, whatever an Attachment's life writes at the time.
"""

import asyncio
import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from fairlead_crds import names
from fairlead_crds.kinds import AccessMode, Attachment, Volume
from fairlead_devstack.api_client import connect
from fairlead_devstack.demo.rest import Rest
from fairlead_devstack.stack import Stack, wait_for_condition
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, VOLUMES, Endpoint
from fairlead_operator.drivers.base import Export
from fairlead_operator.drivers.record_journal import RecordJournal

RECORD: Final = {"iUnderstandThatNothingIsExported": True}
"""Parameters of the driver `record` beside its folder."""

_INITIATOR: Final = "iqn.2026-11.dev.fairlead.population:node"
_GIB: Final = 2**30


@dataclass(frozen=True, kw_only=True)
class Loading:
    """What writing a population took.

    Attributes:
        pairs: Volumes with an Attachment each that were written.
        writes: requests.
        seconds: from the first to the last.
        attachment_bytes: an Attachment's JSON as the API server answers it.
        volume_bytes: the same of a Volume.
    """

    pairs: int
    writes: int
    seconds: float
    attachment_bytes: int
    volume_bytes: int


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A Volume and its Attachment as the API server shows them."""

    volume: Mapping[str, Any]
    attachment: Mapping[str, Any]


def live_once(stack: Stack, namespace: str) -> Pair:
    """Make a volume, attach it to a node and complete that; return what the API server then holds.

    Args:
        stack: with an operator and a facade that run, and a Backend of the driver `record` as its default.
        namespace: of a project, which needs no label.
    """
    rest = Rest(stack.facade_url, namespace)
    volume = _asked(rest, "POST", "/volumes", {"volume": {"size": 1, "name": "one of many"}})["volume"]["id"]
    with connect(stack.control_plane.kubeconfig) as api:
        wait_for_condition(api, Volume, volume, "Ready", namespace=namespace)
    body = {"attachment": {"volume_uuid": volume, "instance_uuid": str(uuid.uuid4()), "connector": connector()}}
    attachment = _asked(rest, "POST", "/attachments", body)["attachment"]["id"]
    _asked(rest, "POST", f"/attachments/{attachment}/action", {"os-complete": {}})
    with connect(stack.control_plane.kubeconfig) as api:
        return Pair(
            attachment=wait_for_condition(api, Attachment, attachment, "Completed", namespace=namespace),
            volume=wait_for_condition(api, Volume, volume, "Ready", namespace=namespace),
        )


def connector() -> dict[str, Any]:
    """What a node says of itself, as os-brick builds it."""
    return {
        "initiator": _INITIATOR,
        "ip": "192.0.2.20",
        "platform": "x86_64",
        "host": "node-of-many",
        "os_type": "linux",
        "multipath": False,
        "mountpoint": "/dev/vdb",
    }


async def populate(stack: Stack, like: Pair, count: int, *, notes: Path, lanes: int = 48) -> Loading:
    """Write `count` pairs and the driver's notes of their exports, while no operator runs.

    Args:
        stack: whose control plane.
        like: a pair that lived.
        count: of pairs.
        notes: data folder of the Backend.
        lanes: pairs under way at once.
    """
    handles: list[tuple[str, str]] = []
    numbers = iter(range(count))
    started = time.monotonic()
    async with (
        await KubeClient.from_kubeconfig(stack.kubeconfig_of(names.FACADE_ACCOUNT), connections=lanes) as door,
        await KubeClient.from_kubeconfig(stack.control_plane.kubeconfig, connections=lanes) as admin,
    ):
        writer = _PairWriter(like, door, admin)

        async def lane() -> None:
            for number in numbers:
                handles.append(await writer.write(number))

        async with asyncio.TaskGroup() as group:
            for _ in range(lanes):
                group.create_task(lane())
    seconds = time.monotonic() - started
    await asyncio.to_thread(_note, notes, handles)
    return Loading(
        pairs=count,
        writes=4 * count,
        seconds=seconds,
        attachment_bytes=len(json.dumps(like.attachment)),
        volume_bytes=len(json.dumps(like.volume)),
    )


class _PairWriter:
    """Writes copies of a pair: creation as the facade, status as an administrator."""

    def __init__(self, like: Pair, door: KubeClient, admin: KubeClient) -> None:
        self._door = door
        self._admin = admin
        self._old = [
            like.volume["metadata"]["name"],
            like.attachment["metadata"]["name"],
            like.volume["metadata"]["uid"],
            like.attachment["metadata"]["uid"],
            like.attachment["spec"]["instanceID"],
        ]
        self._namespace = like.volume["metadata"]["namespace"]
        self._volume, self._volume_status = _template(like.volume)
        self._attachment, self._attachment_status = _template(like.attachment)
        self._born = datetime.now(UTC)

    async def write(self, number: int) -> tuple[str, str]:
        """Write a pair; return the handles of its volume and of its export."""
        volume, attachment = str(uuid.uuid4()), str(uuid.uuid4())
        new = [volume, attachment, "", "", str(uuid.uuid4())]
        created = (self._born + timedelta(microseconds=number)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        made = await self._create(VOLUMES, self._volume, new, created)
        held = await self._create(ATTACHMENTS, self._attachment, new, created)
        new[2], new[3] = made["metadata"]["uid"], held["metadata"]["uid"]
        await self._finish(VOLUMES, made, self._volume_status, new)
        await self._finish(ATTACHMENTS, held, self._attachment_status, new)
        return volume, attachment

    async def _create(self, endpoint: Endpoint[Any], template: str, new: list[str], created: str) -> dict[str, Any]:
        body = self._copied(template, new)
        body["metadata"]["annotations"][names.ANNOTATION_CREATED] = created
        answer: dict[str, Any] = await self._door.request("POST", endpoint.path(self._namespace), body=body)
        return answer

    async def _finish(self, endpoint: Endpoint[Any], made: dict[str, Any], template: str, new: list[str]) -> None:
        made["status"] = self._copied(template, new)
        await self._admin.request("PUT", endpoint.path(self._namespace, made["metadata"]["name"], "status"), body=made)

    def _copied(self, template: str, new: list[str]) -> dict[str, Any]:
        for old, mine in zip(self._old, new, strict=True):
            template = template.replace(old, mine)
        copied: dict[str, Any] = json.loads(template)
        return copied


def _template(item: Mapping[str, Any]) -> tuple[str, str]:
    """The object to create and its status, as texts; a copy is of the first generation."""
    kept = ("name", "namespace", "labels", "annotations", "finalizers")
    body = {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "metadata": {key: value for key, value in item["metadata"].items() if key in kept},
        "spec": item["spec"],
    }
    return json.dumps(body), json.dumps(_of_first_generation(item["status"]))


def _of_first_generation(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: 1 if key == "observedGeneration" else _of_first_generation(value) for key, value in node.items()}
    return [_of_first_generation(item) for item in node] if isinstance(node, list) else node


def _note(folder: Path, handles: list[tuple[str, str]]) -> None:
    journal = RecordJournal(folder)
    journal.prepare()
    journal.take_over("population")
    for volume, export in handles:
        journal.put_volume(volume, _GIB)
        journal.put_export(
            Export(
                handle=export,
                volume_handle=volume,
                initiator=_INITIATOR,
                access_mode=AccessMode.READ_WRITE,
                complete=True,
            )
        )
    journal.close()


def _asked(rest: Rest, method: str, path: str, body: Mapping[str, Any]) -> Any:
    answer = rest.send(method, path, body)
    if answer.status >= 400:
        raise RuntimeError(f"{method} {path} was answered {answer.status}: {answer.body}")
    return answer.body
