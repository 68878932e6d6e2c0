"""What a section is, and what it is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from fairlead_bench.figures import Result


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The surroundings of one run of a section.

    Attributes:
        folder: for whatever the section writes; removed afterwards with the processes that work in it.
        quick: whether this is a try, with few samples, whose figures are not for the page.
        largest: the most objects of a kind that a section fills a cluster with.
    """

    folder: Path
    quick: bool
    largest: int = 100_000

    def count(self, full: int, *, quick: int) -> int:
        """How many samples to take."""
        return quick if self.quick else full


@dataclass(frozen=True, kw_only=True)
class Section:
    """Something that can be measured by itself.

    Attributes:
        name: for the command line and the results.
        title: its heading on the page.
        about: what is measured and how, as Markdown.
        run: measures; everything that it started has ended when it returns, raises or is cancelled.
    """

    name: str
    title: str
    about: str
    run: Callable[[Bench], Awaitable[Result]]
