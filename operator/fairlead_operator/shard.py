"""Which Volumes and Attachments a process watches, lists and keeps: the API server filters by the Backend's label.

The label is what divides the work among operators. An operator of named Backends sees what carries their names; the
controller sees what carries none, puts it on (see `adoption`), and so hands it over. Both at once have no selector in
common, so a process that is both sees everything, as one that serves every Backend does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fairlead_crds.kinds import Attachment, Resource, Volume
from fairlead_crds.names import LABEL_BACKEND


@dataclass(frozen=True)
class Shard:
    """A part of the Volumes and Attachments; other kinds are everybody's.

    Attributes:
        backends: whose objects; empty: those without the label; None: all.
    """

    backends: tuple[str, ...] | None = None

    @property
    def selector(self) -> str:
        """The label selector to watch and list with; empty: no filter."""
        if self.backends is None:
            return ""
        return f"{LABEL_BACKEND} in ({','.join(sorted(self.backends))})" if self.backends else f"!{LABEL_BACKEND}"

    @property
    def unlabelled(self) -> bool:
        """Whether this is the controller's part."""
        return self.backends == ()

    @property
    def selective(self) -> bool:
        """Whether this is the part of named Backends, who therefore have nothing that the label is not on yet."""
        return bool(self.backends)

    def has(self, item: Resource[Any, Any]) -> bool:
        """Whether the watch shows this object."""
        if self.backends is None or not isinstance(item, Volume | Attachment):
            return True
        name = backend_label(item)
        return name in self.backends if self.backends else name is None


def backend_label(item: Resource[Any, Any]) -> str | None:
    """Return the name of the Backend that an object carries."""
    return item.metadata.labels.get(LABEL_BACKEND)


def strays(backends: Iterable[str]) -> str:
    """Return the label selector of what carries the name of a Backend that there is not."""
    names = ",".join(sorted(backends))
    return f"{LABEL_BACKEND},{LABEL_BACKEND} notin ({names})" if names else LABEL_BACKEND


def not_of(backends: Iterable[str]) -> str:
    """Return the label selector of what carries none of these names: another one, or none at all."""
    names = ",".join(sorted(backends))
    return f"{LABEL_BACKEND} notin ({names})" if names else ""
