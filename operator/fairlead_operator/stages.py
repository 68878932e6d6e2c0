"""How long each stage of an Attachment's life takes, as the operator that brought it about saw it.

Counted on this process's clock from when it saw what it had to act on: the API server's times have whole seconds only.
What was under way before this process looked has no beginning here and is not counted.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fairlead_crds.conditions import EXPORTED, ConditionStatus
from fairlead_crds.kinds import Attachment, AttachmentPhase, Resource, Volume
from fairlead_kube.store import Change, Store
from fairlead_operator.metrics import STAGE_SECONDS

_NEW = 10.0
"""Seconds since its creation by which an object counts as just made; older ones were here before this process."""


class Stages:
    """Hears of every change, and of what this process wrote. Knows each uid only while a stage is under way."""

    def __init__(self, attachments: Store[Attachment]) -> None:
        self._seen: dict[str, float] = {}
        self._connected: dict[str, float] = {}
        self._leaving: dict[str, float] = {}
        attachments.listen(self._on_change)

    def _on_change(self, change: Change[Attachment]) -> None:
        before, after = change.before, change.after
        uid, now = change.object.metadata.uid, time.monotonic()
        if after is None:
            for known in (self._seen, self._connected, self._leaving):
                known.pop(uid, None)
            return
        if before is None and after.status.phase is AttachmentPhase.PENDING and _is_new(after):
            self._seen[uid] = now
        if _has_node(after) and not (_has_node(before) if before is not None else not _is_new(after)):
            self._connected[uid] = now
        if after.deleting and before is not None and not before.deleting:
            self._leaving[uid] = now

    def wrote(self, before: Resource[Any, Any], after: Resource[Any, Any], backend: str) -> None:
        """Take in that this process wrote an object's status.

        Args:
            before: the object that was decided on.
            after: what the API server answered.
            backend: in charge.
        """
        if isinstance(before, Volume) and isinstance(after, Volume):
            known = {holder.uid for holder in before.status.attachments}
            for holder in after.status.attachments:
                if holder.uid not in known:
                    self._admitted(holder.uid, backend)
        elif _became_exported(before, after):
            _count(self._connected, after.metadata.uid, backend, "exported")

    @contextlib.contextmanager
    def leaving(self, item: Resource[Any, Any], backend: str) -> Iterator[None]:
        """While this process takes the finalizer off; what leaves it without an exception is gone."""
        # Looked up before: with the answer the object's uid is forgotten.
        since = self._leaving.get(item.metadata.uid)
        yield
        if since is not None:
            STAGE_SECONDS.labels(backend, "gone").observe(time.monotonic() - since)

    def _admitted(self, uid: str, backend: str) -> None:
        _count(self._seen, uid, backend, "admitted")
        if uid in self._connected:
            # The wait for the volume is the first stage's, not the export's.
            self._connected[uid] = time.monotonic()


def _count(started: dict[str, float], uid: str, backend: str, stage: str) -> None:
    since = started.pop(uid, None)
    if since is not None:
        STAGE_SECONDS.labels(backend, stage).observe(time.monotonic() - since)


def _is_new(item: Attachment) -> bool:
    created = item.metadata.creation_timestamp
    return created is not None and (datetime.now(UTC) - created).total_seconds() < _NEW


def _has_node(item: Attachment) -> bool:
    connector: Mapping[str, object] | None = item.spec.connector
    return bool(connector) or item.spec.node_name is not None


def _became_exported(before: Resource[Any, Any], after: Resource[Any, Any]) -> bool:
    ours = isinstance(before, Attachment) and isinstance(after, Attachment)
    return ours and _is_exported(after) and not _is_exported(before)


def _is_exported(item: Resource[Any, Any]) -> bool:
    return any(c.type == EXPORTED and c.status is ConditionStatus.TRUE for c in item.status.conditions)
