"""A small recorder of Kubernetes Events, for what is abnormal only."""

import asyncio
import logging
import socket
import time
import uuid
from collections import OrderedDict
from datetime import UTC, datetime
from typing import Any

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Resource
from fairlead_crds.names import API_VERSION
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import EVENTS
from fairlead_kube.errors import KubeError

_log = logging.getLogger(__name__)

_AGAIN_AFTER = 600.0
_REMEMBERED = 2048


class Recorder:
    """Writes Events. The same (object, reason, message) is said once in ten minutes; a failure to say it is logged."""

    def __init__(self, client: KubeClient, *, controller: str = "fairlead.dev/operator") -> None:
        self._client = client
        self._controller = controller
        self._instance = socket.gethostname()
        self._said: OrderedDict[tuple[str, str, str], float] = OrderedDict()
        self._under_way: set[asyncio.Task[None]] = set()

    def warn(self, item: Resource[Any, Any], reason: Reason, message: str, action: str) -> None:
        """Say that something is wrong with an object.

        Args:
            item: the object.
            reason: one word from the closed list.
            message: for a person.
            action: what was being done: `Attach`, `Detach`, `Provision`, `Sweep`.
        """
        said = (item.metadata.uid, reason, message)
        now = time.monotonic()
        if now - self._said.get(said, -_AGAIN_AFTER) < _AGAIN_AFTER:
            return
        self._said[said] = now
        self._said.move_to_end(said)
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        # Reconciling does not wait for it: an Event is news, not state.
        task = asyncio.create_task(self._post(item, reason, message, action))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Wait for what is being said."""
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _post(self, item: Resource[Any, Any], reason: Reason, message: str, action: str) -> None:
        meta = item.metadata
        # The API server takes Events on cluster-scoped objects in this namespace only.
        namespace = meta.namespace or "default"
        body = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{meta.name[:200]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "type": "Warning",
            "reason": reason.value,
            "action": action,
            "note": message[:1024],
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "regarding": {
                "apiVersion": API_VERSION,
                "kind": item.kind,
                "name": meta.name,
                "namespace": meta.namespace,
                "uid": meta.uid,
            },
        }
        try:
            await self._client.create(EVENTS, body, namespace)
        except KubeError as error:
            _log.warning("event %s for %s %s not written: %s", reason, item.kind, meta.name, error)
