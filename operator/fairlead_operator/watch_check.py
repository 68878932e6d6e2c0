"""Whether kopf's watches still tell us what happens.

A connection that looks alive and says nothing cannot be told from a quiet cluster by listening. But every write of ours
and every list shows us versions that the watch must show too: what it owes for long, it will not deliver any more.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fairlead_crds.kinds import Resource
from fairlead_kube.store import version_of


@dataclass(frozen=True)
class _Debt:
    version: int
    since: float


class WatchCheck:
    """What the watches owe, by kind."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}
        self._told_at: dict[str, float] = {}
        self._debts: dict[str, _Debt] = {}

    def told(self, item: Resource[Any, Any]) -> None:
        """Take in what a watch delivered."""
        kind, version = item.plural, version_of(item)
        self._told_at[kind] = time.time()
        self._told[kind] = told = max(version, self._told.get(kind, 0))
        debt = self._debts.get(kind)
        if debt is not None and told >= debt.version:
            del self._debts[kind]

    def owed(self, item: Resource[Any, Any]) -> None:
        """Take in a version that we know to exist; the oldest debt is the one that counts."""
        kind, version = item.plural, version_of(item)
        if version > self._told.get(kind, 0):
            self._debts.setdefault(kind, _Debt(version, time.monotonic()))

    def settled(self, kind: str, newest: int) -> None:
        """Take in the newest version that there is: an object that is gone is owed no more."""
        debt = self._debts.get(kind)
        if debt is not None and newest <= self._told.get(kind, 0):
            del self._debts[kind]

    @property
    def lags(self) -> Mapping[str, float]:
        """Seconds for which each kind's watch has owed something; kinds that owe nothing: 0."""
        now = time.monotonic()
        owing = {kind: now - debt.since for kind, debt in self._debts.items()}
        return {**dict.fromkeys(self._told, 0.0), **owing}

    @property
    def last_events(self) -> Mapping[str, float]:
        """When each kind's watch last delivered something, in Unix time."""
        return dict(self._told_at)
