"""Resources kept in order of creation, so that a page costs its own length and not the whole list's."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar

from sortedcontainers import SortedList

from fairlead_crds import names
from fairlead_crds.kinds import Resource
from fairlead_kube.store import Change, Key, Store, key_of

R = TypeVar("R", bound=Resource[Any, Any])

Entry = tuple[datetime, str, Key]
"""What the order is by: creation time, then id; and the object it stands for."""

_NEVER = datetime.fromtimestamp(0, UTC)
_NONE: Final[SortedList[Entry]] = SortedList()


def created_at(item: Resource[Any, Any]) -> datetime:
    """Return when an object was created: the facade's annotation has microseconds, Kubernetes' own time seconds."""
    text = item.metadata.annotations.get(names.ANNOTATION_CREATED)
    if text:
        try:
            return datetime.fromisoformat(text).astimezone(UTC)
        except ValueError:
            pass  # somebody edited it by hand
    return item.metadata.creation_timestamp or _NEVER


def place_of(item: Resource[Any, Any]) -> Entry:
    """Return an object's place in the order."""
    return created_at(item), item.id, key_of(item)


class Ordering(Generic[R]):
    """The objects of a store in order of creation, in all and by namespace."""

    def __init__(self, store: Store[R]) -> None:
        # A list comes in the order of names, which is none of time: into one plain list each object would be put by
        # moving half of those that came before it.
        self._all: SortedList[Entry] = SortedList()
        self._by_namespace: dict[str, SortedList[Entry]] = defaultdict(SortedList)
        self._store = store
        for item in store:
            self._take(Change(None, item))
        store.listen(self._take)

    def newest_first(self, namespace: str | None, before: R | None = None) -> Iterator[R]:
        """Yield the objects of a namespace (None: of all), the newest first; with `before`, those older than it."""
        end = None if before is None else place_of(before)
        return self._objects(self._entries(namespace).irange(maximum=end, inclusive=(True, False), reverse=True))

    def oldest_first(self, namespace: str | None, after: R | None = None) -> Iterator[R]:
        """Yield the objects of a namespace (None: of all), the oldest first; with `after`, those younger than it."""
        start = None if after is None else place_of(after)
        return self._objects(self._entries(namespace).irange(minimum=start, inclusive=(False, True)))

    def _entries(self, namespace: str | None) -> SortedList[Entry]:
        return self._all if namespace is None else self._by_namespace.get(namespace, _NONE)

    def _objects(self, entries: Iterable[Entry]) -> Iterator[R]:
        # Without a copy, which would be the whole list's length: to be used up before the store changes.
        for _, _, (namespace, name) in entries:
            item = self._store.get(name, namespace)
            if item is not None:
                yield item

    def _take(self, change: Change[R]) -> None:
        before = None if change.before is None else place_of(change.before)
        after = None if change.after is None else place_of(change.after)
        if before == after:
            return
        if before is not None:
            self._all.discard(before)
            self._by_namespace[before[2][0]].discard(before)
        if after is not None:
            self._all.add(after)
            self._by_namespace[after[2][0]].add(after)
