"""What a section returns: ratios with their goals, tables, charts, in types that go to JSON and back unchanged."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

Cell = str | float | int | None


class _Figure(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ratio(_Figure):
    """A comparison that has a goal.

    Attributes:
        name: what is divided by what.
        value: the quotient.
        bound: on which side of the goal it must be.
        goal: what it must reach.
        aim: what it should reach; None when there is nothing beyond the goal.
    """

    name: str
    value: float
    bound: Literal["at most", "at least"]
    goal: float
    aim: float | None = None

    @property
    def met(self) -> bool:
        """Whether the goal is reached."""
        return self.value <= self.goal if self.bound == "at most" else self.value >= self.goal


class Table(_Figure):
    """Rows under headings, as long as the headings. Units belong into headings or the title."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


class Series(_Figure):
    """Points of one name: (x, y), x a word on a chart of bars and a number on one of lines."""

    name: str
    points: tuple[tuple[str | float, float], ...]


class Chart(_Figure):
    """A drawing.

    Attributes:
        name: of its file, unique among all sections.
        title: what is shown, with the unit of y.
        kind: bars stand in groups by x.
        logarithmic: the axis of y.
    """

    name: str
    title: str
    kind: Literal["bars", "lines"] = "bars"
    x_label: str = ""
    logarithmic: bool = False
    series: tuple[Series, ...]


class Frame(_Figure):
    """A function and its share of all samples, with what it called."""

    name: str
    share: float
    called: tuple["Frame", ...] = ()


class Flame(_Figure):
    """A drawing of where a process spends its time.

    Attributes:
        name: of its file, unique among all sections' drawings.
        title: what was running.
        root: the whole; its share is 1.
    """

    name: str
    title: str
    root: Frame


class Result(_Figure):
    """What one run of a section found.

    Attributes:
        versions: of what only this section runs, beside those that every section tells.
        notes: a sentence each, for the page.
    """

    ratios: tuple[Ratio, ...] = ()
    tables: tuple[Table, ...] = ()
    charts: tuple[Chart, ...] = ()
    flames: tuple[Flame, ...] = ()
    versions: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least that share of all does not exceed (nearest rank).

    Args:
        values: at least one, in any order.
        share: above 0 and at most 1.
    """
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the two middle ones."""
    return statistics.median(values)
