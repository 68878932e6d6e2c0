"""Resources kept in order of creation, so that a page costs its own length and not the whole list's."""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from fairlead_crds import names
from fairlead_crds.kinds import Resource
from fairlead_kube.store import Change, Key, Store, key_of

R = TypeVar("R", bound=Resource[Any, Any])

Entry = tuple[datetime, str, Key]
"""What the order is by: creation time, then id; and the object it stands for."""

_NEVER = datetime.fromtimestamp(0, UTC)


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
        self._all: list[Entry] = []
        self._by_namespace: dict[str, list[Entry]] = defaultdict(list)
        self._store = store
        for item in store:
            self._take(Change(None, item))
        store.listen(self._take)

    def newest_first(self, namespace: str | None, before: R | None = None) -> Iterator[R]:
        """Yield the objects of a namespace (None: of all), the newest first; with `before`, those older than it."""
        entries = self._entries(namespace)
        end = len(entries) if before is None else bisect_left(entries, place_of(before))
        return self._objects(entries, range(end - 1, -1, -1))

    def oldest_first(self, namespace: str | None, after: R | None = None) -> Iterator[R]:
        """Yield the objects of a namespace (None: of all), the oldest first; with `after`, those younger than it."""
        entries = self._entries(namespace)
        start = 0 if after is None else bisect_right(entries, place_of(after))
        return self._objects(entries, range(start, len(entries)))

    def _entries(self, namespace: str | None) -> list[Entry]:
        return self._all if namespace is None else self._by_namespace.get(namespace, [])

    def _objects(self, entries: list[Entry], places: Iterable[int]) -> Iterator[R]:
        # Without a copy, which would be the whole list's length: to be used up before the store changes.
        for place in places:
            _, _, (namespace, name) = entries[place]
            item = self._store.get(name, namespace)
            if item is not None:
                yield item

    def _take(self, change: Change[R]) -> None:
        before = None if change.before is None else place_of(change.before)
        after = None if change.after is None else place_of(change.after)
        if before == after:
            return
        for entry, place in ((before, _withdraw), (after, insort)):
            if entry is not None:
                place(self._all, entry)
                place(self._by_namespace[entry[2][0]], entry)


def _withdraw(entries: list[Entry], entry: Entry) -> None:
    at = bisect_left(entries, entry)
    if at < len(entries) and entries[at] == entry:
        del entries[at]
