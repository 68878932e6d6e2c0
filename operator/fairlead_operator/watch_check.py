"""Whether kopf's watches still tell us what happens.

A connection that looks alive and says nothing cannot be told from a quiet cluster by listening. But every write of ours
and every list shows us versions that the watch must show too: what it owes for long, it will not deliver any more.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_crds.kinds import Resource
from fairlead_kube.store import version_of
from fairlead_kube.turns import in_turns

_Watch = tuple[str, str]
"""The kind, and the namespace where each has a watch of its own."""


@dataclass(frozen=True)
class _Debt:
    version: int
    since: float


class WatchCheck:
    """What the watches owe. There is one of each kind, or (`by_namespace`) of each kind and namespace."""

    def __init__(self, *, by_namespace: bool = False) -> None:
        self._by_namespace = by_namespace
        self._told: dict[_Watch, int] = {}
        self._told_at: dict[str, float] = {}
        self._debts: dict[_Watch, _Debt] = {}

    def told(self, item: Resource[Any, Any]) -> None:
        """Take in what a watch delivered."""
        watch = self._watch_of(item)
        self._come_to(watch, version_of(item))
        if (debt := self._debts.get(watch)) is not None:
            # It is on its way there: very many changes take longer than anybody's patience with silence.
            self._debts[watch] = _Debt(debt.version, time.monotonic())

    def begun(self, plural: str, namespace: str, version: int) -> None:
        """Take in that a watch goes on from a version, of all namespaces (empty) or of one."""
        self._come_to((plural, namespace), version)

    def _come_to(self, watch: _Watch, version: int) -> None:
        self._told_at[watch[0]] = time.time()
        self._told[watch] = told = max(version, self._told.get(watch, 0))
        if watch in self._debts and self._debts[watch].version <= told:
            del self._debts[watch]

    def owed(self, item: Resource[Any, Any]) -> None:
        """Take in a version that we know to exist; the oldest debt is the one that counts."""
        watch, version = self._watch_of(item), version_of(item)
        if version > self._told.get(watch, 0):
            self._debts.setdefault(watch, _Debt(version, time.monotonic()))

    async def listed(self, items: Iterable[Resource[Any, Any]]) -> None:
        """Take in all that there is: the newest of it is owed, and an object that is gone is owed no more."""
        newest: dict[_Watch, Resource[Any, Any]] = {}
        async for item in in_turns(items):
            watch = self._watch_of(item)
            if watch not in newest or version_of(item) > version_of(newest[watch]):
                newest[watch] = item
        for watch, item in newest.items():
            self.owed(item)
            if watch in self._debts and version_of(item) <= self._told.get(watch, 0):
                del self._debts[watch]

    def _watch_of(self, item: Resource[Any, Any]) -> _Watch:
        return item.plural, item.metadata.namespace if self._by_namespace else ""

    @property
    def lags(self) -> Mapping[str, float]:
        """Seconds for which each kind's watch has owed something and said nothing; kinds that owe nothing: 0."""
        now = time.monotonic()
        lags = {kind: 0.0 for kind, _ in self._told}
        for (kind, _), debt in self._debts.items():
            lags[kind] = max(lags.get(kind, 0.0), now - debt.since)
        return lags

    @property
    def last_events(self) -> Mapping[str, float]:
        """When each kind's watch began or last delivered something, in Unix time."""
        return dict(self._told_at)
