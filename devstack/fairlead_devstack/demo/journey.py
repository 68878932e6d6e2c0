"""What was attached where, and how long each step took: the demo's last page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_HEADINGS = ("door", "volume", "node", "export", "attach", "write", "read", "detach")
_EXPORT_TAIL = 12


@dataclass(kw_only=True)
class Journey:
    """One attachment of a volume to a node. Times in seconds; None: that step was not part of it.

    Attributes:
        door: through which it was asked for.
        volume: name of the volume.
        node: name of the node.
        target: name of the export.
        attach: from asking to knowing where the export is.
        write: of the pattern, login included.
        read: of the pattern, login included.
        detach: from asking until the export is gone and the volume is free.
    """

    door: str
    volume: str
    node: str
    target: str = ""
    attach: float | None = None
    write: float | None = None
    read: float | None = None
    detach: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Its line of the table."""
        times = (self.attach, self.write, self.read, self.detach)
        # The end of the name is what tells one export from another.
        tail = self.target if len(self.target) <= _EXPORT_TAIL else f"...{self.target[-_EXPORT_TAIL:]}"
        return self.door, self.volume, self.node, tail, *("-" if t is None else f"{t:.2f} s" for t in times)


def table(journeys: Iterable[Journey]) -> str:
    """All of them, a line each."""
    rows: Sequence[tuple[str, ...]] = [_HEADINGS, *(journey.cells() for journey in journeys)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADINGS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])
