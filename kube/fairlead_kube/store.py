"""A typed, in-memory copy of one kind, ordered by resourceVersion.

Fed by watch events, by lists and by the answers to our own writes, in any order: an older version never replaces a
newer one, and an object that we know to be gone does not come back with a late event.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fairlead_crds.kinds import Resource

R = TypeVar("R", bound=Resource[Any, Any])

Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped kinds."""

_TOMBSTONES = 4096
"""How many deleted uids are remembered. Events later than this many deletions do not happen: a watch is ordered."""


@dataclass(frozen=True)
class Change(Generic[R]):
    """An object before and after. `before` is None for a new one, `after` for one that is gone."""

    before: R | None
    after: R | None

    @property
    def object(self) -> R:
        """The newest we know of it."""
        found = self.after or self.before
        assert found is not None
        return found


def key_of(item: Resource[Any, Any]) -> Key:
    """Return the key of an object."""
    return item.metadata.namespace, item.metadata.name


def version_of(item: Resource[Any, Any]) -> int:
    """Return the resourceVersion as a number: comparable since Kubernetes 1.35 (KEP-5504), monotonic in etcd before."""
    return int(item.metadata.resource_version or 0)


class Index(Generic[R]):
    """Objects of a store grouped by a derived value."""

    def __init__(self, group: Callable[[R], Hashable | None]) -> None:
        self._group = group
        self._members: dict[Hashable, dict[Key, R]] = defaultdict(dict)

    def get(self, value: Hashable) -> list[R]:
        """Return the objects of that group."""
        return list(self._members.get(value, {}).values())

    def update(self, change: Change[R]) -> None:
        """Follow a change of the store."""
        if change.before is not None and (old := self._group(change.before)) is not None:
            members = self._members.get(old)
            if members is not None:
                members.pop(key_of(change.before), None)
                if not members:
                    del self._members[old]
        if change.after is not None and (new := self._group(change.after)) is not None:
            self._members[new][key_of(change.after)] = change.after


class Store(Generic[R]):
    """All objects of one kind that we know of. Not thread-safe: one event loop owns it."""

    def __init__(self) -> None:
        self._objects: dict[Key, R] = {}
        self._tombstones: OrderedDict[str, int | None] = OrderedDict()
        self._listeners: list[Callable[[Change[R]], None]] = []
        self._waiters: dict[Key, set[asyncio.Event]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._objects.values()))

    def get(self, name: str, namespace: str = "") -> R | None:
        """Return the object as last seen."""
        return self._objects.get((namespace, name))

    def index(self, group: Callable[[R], Hashable | None]) -> Index[R]:
        """Keep the objects grouped by `group(object)` from now on; None leaves an object out."""
        index = Index(group)
        for item in self._objects.values():
            index.update(Change(None, item))
        self._listeners.append(index.update)
        return index

    def listen(self, listener: Callable[[Change[R]], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def apply(self, item: R) -> bool:
        """Take in a version of an object; False when it is not newer than what we have."""
        key = key_of(item)
        if item.metadata.uid in self._tombstones:
            until = self._tombstones[item.metadata.uid]
            if until is None or version_of(item) <= until:
                return False
        before = self._objects.get(key)
        if item.deleting and not item.metadata.finalizers:
            # The answer to removing the last finalizer: the API server has already forgotten the object. It carries
            # the resourceVersion that it had before, so this comes before comparing versions.
            self.remove(item)
            return True
        if before is not None and version_of(item) <= version_of(before):
            return False
        self._objects[key] = item
        self._notify(key, Change(before, item))
        return True

    def remove(self, item: R, *, version: int | None = None) -> bool:
        """Forget an object; False when there is something newer of that name, or it was unknown.

        Args:
            item: the object.
            version: as of which it is gone from what we look at. A filtered watch also says of an object that it is
                gone when only its labels changed, so a later version may come back. None: it is gone for good.
        """
        key = key_of(item)
        before = self._objects.get(key)
        if before is not None and version is not None and version_of(before) > version:
            return False
        self._tombstones[item.metadata.uid] = version
        if len(self._tombstones) > _TOMBSTONES:
            self._tombstones.popitem(last=False)
        if before is None or before.metadata.uid != item.metadata.uid:
            return False
        del self._objects[key]
        self._notify(key, Change(before, None))
        return True

    def replace(
        self, items: Iterable[R], resource_version: str, *, among: Callable[[R], bool] = lambda _: True
    ) -> None:
        """Take a list as the truth of its moment: what is not in it and is not newer is gone.

        Args:
            items: what was listed.
            resource_version: of the list.
            among: of which objects it tells, when it was filtered or of one namespace; others stay as they are.
        """
        moment = int(resource_version)
        listed: set[Key] = set()
        for item in items:
            listed.add(key_of(item))
            known = self._objects.get(key_of(item))
            if known is not None and known.metadata.uid != item.metadata.uid and version_of(item) > version_of(known):
                self.remove(known)
            self.apply(item)
        for key, item in list(self._objects.items()):
            if key not in listed and version_of(item) <= moment and among(item):
                self.remove(item, version=moment)

    async def wait(self, name: str, namespace: str, done: Callable[[R | None], bool]) -> R | None:
        """Return the object as soon as `done(object)` is true (None stands for an object that is not there)."""
        key = (namespace, name)
        changed = asyncio.Event()
        self._waiters[key].add(changed)
        try:
            while True:
                item = self._objects.get(key)
                if done(item):
                    return item
                changed.clear()
                await changed.wait()
        finally:
            self._waiters[key].discard(changed)
            if not self._waiters[key]:
                del self._waiters[key]

    def _notify(self, key: Key, change: Change[R]) -> None:
        for listener in self._listeners:
            listener(change)
        for waiter in self._waiters.get(key, ()):
            waiter.set()
