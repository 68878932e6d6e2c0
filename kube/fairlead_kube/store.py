"""A typed, in-memory copy of one kind, ordered by resourceVersion.

Fed by watch events, by lists and by the answers to our own writes, in any order: an older version never replaces a
newer one, and an object that is gone does not come back with a late event, known to us before or not.
"""

import asyncio
import contextlib
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fairlead_crds.kinds import Resource
from fairlead_kube.turns import in_turns

R = TypeVar("R", bound=Resource[Any, Any])

Key = tuple[str, str]
"""(namespace, name); the namespace is empty for cluster-scoped kinds."""

_ENDS = 4096
"""How many ends are remembered. Events later than this many ends do not happen: a watch is ordered."""


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


def key_in(body: Mapping[str, Any]) -> Key:
    """Return the key of an object as the API server sends it."""
    meta = body["metadata"]
    return meta.get("namespace", ""), meta["name"]


def version_of(item: Resource[Any, Any]) -> int:
    """Return the resourceVersion as a number: comparable since Kubernetes 1.35 (KEP-5504), monotonic in etcd before."""
    return int(item.metadata.resource_version or 0)


class Index(Generic[R]):
    """Objects of a store grouped by a derived value."""

    def __init__(self, group: Callable[[R], Hashable | None]) -> None:
        self._group = group
        # Most groups have one member, for which a dictionary would be ten times its size.
        self._alone: dict[Hashable, R] = {}
        self._members: dict[Hashable, dict[Key, R]] = {}

    def get(self, value: Hashable) -> list[R]:
        """Return the objects of that group."""
        alone = self._alone.get(value)
        return list(self._members.get(value, {}).values()) if alone is None else [alone]

    def update(self, change: Change[R]) -> None:
        """Follow a change of the store."""
        before, after = change.before, change.after
        if before is not None and (old := self._group(before)) is not None:
            self._withdraw(old, key_of(before))
        if after is not None and (new := self._group(after)) is not None:
            self._add(new, after)

    def _withdraw(self, value: Hashable, key: Key) -> None:
        alone = self._alone.get(value)
        if alone is not None and key_of(alone) == key:
            del self._alone[value]
        elif (members := self._members.get(value)) is not None:
            members.pop(key, None)
            if not members:
                del self._members[value]

    def _add(self, value: Hashable, item: R) -> None:
        members = self._members.get(value)
        if members is not None:
            members[key_of(item)] = item
        elif (alone := self._alone.pop(value, None)) is None or key_of(alone) == key_of(item):
            self._alone[value] = item
        else:
            self._members[value] = {key_of(alone): alone, key_of(item): item}


class Tally(Generic[R]):
    """How many objects of a store there are by a derived value."""

    def __init__(self, group: Callable[[R], Hashable | None]) -> None:
        self._group = group
        self._counts: Counter[Hashable] = Counter()

    def __getitem__(self, value: Hashable) -> int:
        return self._counts[value]

    def update(self, change: Change[R]) -> None:
        """Follow a change of the store."""
        for item, step in ((change.before, -1), (change.after, 1)):
            if item is not None and (value := self._group(item)) is not None:
                self._counts[value] += step


def everything(_: Resource[Any, Any]) -> bool:
    """Tell of an unfiltered list what it is a list of."""
    return True


class Store(Generic[R]):
    """All objects of one kind that we know of. Not thread-safe: one event loop owns it."""

    def __init__(self) -> None:
        self._objects: dict[Key, R] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        """Uids of objects that are gone for good, whatever version of them comes late."""
        self._emptied: OrderedDict[Key, int] = OrderedDict()
        """As of which version a name had nobody any more; an earlier bearer is gone too."""
        self._moments: dict[Callable[[R], bool], int] = {}
        """As of which version a list told of all those objects."""
        self._lists = 0
        self._listeners: list[Callable[[Change[R]], None]] = []
        self._waiters: dict[Key, set[asyncio.Event]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._objects.values()))

    def get(self, name: str, namespace: str = "") -> R | None:
        """Return the object as last seen."""
        return self._objects.get((namespace, name))

    def in_version(self, body: Mapping[str, Any]) -> R | None:
        """Return the object if we have it in the very version that `body` is, so that it need not be read again."""
        meta = body["metadata"]
        known = self._objects.get(key_in(body))
        if known is None or known.metadata.uid != meta["uid"]:
            return None
        return known if known.metadata.resource_version == meta["resourceVersion"] else None

    def index(self, group: Callable[[R], Hashable | None]) -> Index[R]:
        """Keep the objects grouped by `group(object)` from now on; None leaves an object out."""
        index = Index(group)
        self._follow(index.update)
        return index

    def tally(self, group: Callable[[R], Hashable | None]) -> Tally[R]:
        """Keep count of the objects by `group(object)` from now on; None leaves an object out."""
        tally = Tally(group)
        self._follow(tally.update)
        return tally

    def _follow(self, update: Callable[[Change[R]], None]) -> None:
        for item in self._objects.values():
            update(Change(None, item))
        self._listeners.append(update)

    def listen(self, listener: Callable[[Change[R]], None]) -> None:
        """Call `listener` after every change."""
        self._listeners.append(listener)

    def apply(self, item: R) -> bool:
        """Take in a version of an object; False when it is not newer than what we have."""
        return not self._is_past(item) and self._take(item)

    def _is_past(self, item: R) -> bool:
        """Whether a version is of an object that was gone by a later moment of which we know."""
        known, version = self._objects.get(key_of(item)), version_of(item)
        if known is not None and known.metadata.uid == item.metadata.uid:
            return False
        if version <= self._emptied.get(key_of(item), 0):
            return True
        return any(version <= moment and among(item) for among, moment in self._moments.items())

    def _take(self, item: R) -> bool:
        key = key_of(item)
        if item.metadata.uid in self._ended:
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

    def take(self, event: str, item: R) -> bool:
        """Take in what a watch tells, by its type of event; False when it is old."""
        return self.remove(item, version=version_of(item)) if event == "DELETED" else self.apply(item)

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
        if version is None:
            self._ended[item.metadata.uid] = None
        self._emptied[key] = max(self._emptied.pop(key, 0), version_of(item) if version is None else version)
        self._bury()
        if before is None or before.metadata.uid != item.metadata.uid:
            return False
        del self._objects[key]
        self._notify(key, Change(before, None))
        return True

    @contextlib.contextmanager
    def listing(self) -> Iterator[None]:
        """Hold while a list is read: its later pages still show what is deleted meanwhile, however much that is."""
        self._lists += 1
        try:
            yield
        finally:
            self._lists -= 1
            self._bury()

    def _bury(self) -> None:
        for ends in (self._ended, self._emptied):
            while len(ends) > _ENDS and not self._lists:
                ends.popitem(last=False)

    async def replace(
        self,
        items: Iterable[R],
        resource_version: str,
        *,
        among: Callable[[R], bool] = everything,
        lasting: bool = True,
    ) -> None:
        """Take a list as the truth of its moment: what is not in it and is not newer is gone.

        Other tasks get their turn now and then, and may change the store meanwhile.

        Args:
            items: what was listed.
            resource_version: of the list.
            among: of which objects it tells, when it was filtered or of one namespace; others stay as they are.
            lasting: whether it speaks against what comes later, too: a watch that is behind tells of objects that
                were gone by then. Such an `among` is remembered, and must be the same each time.
        """
        moment = int(resource_version)
        if lasting:
            self.speak_for(among, moment)
        listed: set[Key] = set()
        async for item in in_turns(items):
            listed.add(key_of(item))
            known = self._objects.get(key_of(item))
            if known is not None and known.metadata.uid != item.metadata.uid and version_of(item) > version_of(known):
                self.remove(known)
            if self._emptied.get(key_of(item), 0) <= moment:
                self._take(item)
        async for key in in_turns(self._objects):
            unlisted = None if key in listed else self._objects.get(key)
            if unlisted is not None and version_of(unlisted) <= moment and among(unlisted):
                self.remove(unlisted, version=moment)

    def speak_for(self, among: Callable[[R], bool], version: int) -> None:
        """Take in that all those objects are known as of that version: what comes late of others is of the past.

        Such an `among` is remembered, and must be the same each time.
        """
        self._moments[among] = max(version, self._moments.get(among, 0))

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
