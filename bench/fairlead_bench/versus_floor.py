"""Section `floor`: an attachment's life through REST beside the same API writes and the bare target commands."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fairlead_bench.figures import Cell, Chart, Ratio, Result, Series, Table, median, quantile
from fairlead_bench.floor import Floor, compare
from fairlead_bench.installation import Installation
from fairlead_bench.rest_load import Cycle, RestLoad, cycles, spread
from fairlead_bench.section import Bench, Section
from fairlead_bench.turns import Turns

_CLIENTS = 16
_WRITES = 8
"""Of a one-step life; a test counts them in the audit log."""

ABOUT = f"""\
An attachment's life through REST costs {_WRITES} writes to the API server and some commands to tgtd; that is the floor
of any implementation that keeps its state there. The floor is measured by one bare client in the same turns on the same
API server: the same writes with the same bytes, to kinds copied into another group (no watcher, no admission policy),
and the six commands that make an export and the two that end it, to a tgtd beside. An attach is the POST with connector
on one side, and create, ledger, export and connection on the other. etcd answers without waiting for the disk here, so
that both sides show what they compute.
"""


@dataclass
class _Figures(Turns):
    """What was seen of one side: of many clients, and the lives of a single one (`alone`)."""

    alone: list[Cycle] = field(default_factory=list)


async def _run(bench: Bench) -> Result:
    rest, bare = _Figures(), _Figures()
    with Installation(bench.folder / "fairlead", durable=False) as fairlead:
        async with (
            RestLoad(fairlead.url) as load,
            Floor(fairlead.control_plane.kubeconfig, bench.folder / "bare", load, _CLIENTS) as floor,
        ):
            volumes, _ = await spread([1] * _CLIENTS, _CLIENTS, load.create_volume)

            # The first ones find caches cold and connections not made.
            await cycles(load, volumes, each=2)
            await floor.cycles(2)
            floor.lives[0].writes.seconds.clear()
            turns, each = bench.count(10, quick=3), bench.count(20, quick=5)
            rest.alone, bare.alone = await compare(floor, load, volumes, turns=turns, each=each)
            single = {what: list(seconds) for what, seconds in floor.lives[0].writes.seconds.items()}
            pids = {**fairlead.pids(), "bench": [os.getpid()]}
            for _ in range(bench.count(8, quick=2)):
                await rest.turn(cycles(load, volumes, each=bench.count(10, quick=2)), pids)
                await bare.turn(floor.cycles(bench.count(10, quick=2)), pids)
    return _result(rest, bare, single)


def _result(rest: _Figures, bare: _Figures, single: Mapping[str, Sequence[float]]) -> Result:
    attach = median([c.create for c in rest.alone]) / median([c.create for c in bare.alone])
    return Result(
        ratios=(
            Ratio(name="attach, one client, median: REST / floor", value=attach, bound="at most", goal=2, aim=1.5),
            Ratio(
                name=f"lives per second, {_CLIENTS} clients: REST / floor",
                value=median(rest.rates) / median(bare.rates),
                bound="at least",
                goal=0.4,
                aim=0.6,
            ),
        ),
        tables=(_times(rest, bare), _rates(rest, bare), _writes(single), _processors(rest, bare)),
        charts=(_chart(rest, bare),),
    )


_PARTS = ("create", "complete", "delete", "whole")


def _seconds(figures: _Figures, part: str) -> list[float]:
    return [getattr(cycle, part) for cycle in figures.alone]


def _times(rest: _Figures, bare: _Figures) -> Table:
    def row(part: str) -> tuple[Cell, ...]:
        one, other = _seconds(rest, part), _seconds(bare, part)
        cells = (median(one), quantile(one, 0.95), median(other), quantile(other, 0.95))
        return part, *(cell * 1e3 for cell in cells), median(one) / median(other)

    return Table(
        title=f"Milliseconds at one client, {len(rest.alone)} lives each (create: until the connection is known)",
        columns=("", "REST p50", "p95", "floor p50", "p95", "quotient of medians"),
        rows=tuple(row(part) for part in _PARTS),
    )


def _rates(rest: _Figures, bare: _Figures) -> Table:
    each = [one / other for one, other in zip(rest.rates, bare.rates, strict=True)]
    return Table(
        title=f"Lives per second by {_CLIENTS} clients, {len(each)} turns each",
        columns=("", "least", "median", "most"),
        rows=(
            ("REST", min(rest.rates), median(rest.rates), max(rest.rates)),
            ("floor", min(bare.rates), median(bare.rates), max(bare.rates)),
            ("quotient of a turn", min(each), median(each), max(each)),
        ),
    )


def _writes(single: Mapping[str, Sequence[float]]) -> Table:
    return Table(
        title="Milliseconds of a single bare write at one client",
        columns=("", "n", "p50", "p95"),
        rows=tuple(
            (what, len(seconds), median(seconds) * 1e3, quantile(seconds, 0.95) * 1e3)
            for what, seconds in single.items()
        ),
    )


def _processors(rest: _Figures, bare: _Figures) -> Table:
    return Table(
        title=f"Milliseconds of processor time per life at {_CLIENTS} clients, by who spent it",
        columns=("", "REST", "floor"),
        rows=(
            *((part, rest.cost(part), bare.cost(part)) for part in rest.cpu),
            ("all", rest.cost(), bare.cost()),
        ),
    )


def _chart(rest: _Figures, bare: _Figures) -> Chart:
    return Chart(
        name="floor-times",
        title="Milliseconds at one client, medians",
        series=tuple(
            Series(name=name, points=tuple((part, median(_seconds(figures, part)) * 1e3) for part in _PARTS))
            for name, figures in (("REST", rest), ("floor", bare))
        ),
    )


SECTION = Section(name="floor", title="Against the floor", about=ABOUT, run=_run)
