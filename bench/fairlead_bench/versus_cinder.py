"""Section `cinder`: the same load through the same API, on Fairlead and on a real Cinder, in turns."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fairlead_bench import processes
from fairlead_bench.cinder import Cinder
from fairlead_bench.figures import Cell, Chart, Ratio, Result, Series, Table, median, quantile
from fairlead_bench.floor import Floor, compare
from fairlead_bench.installation import Installation
from fairlead_bench.processes import Memory
from fairlead_bench.rest_load import RestLoad, cycles, spread
from fairlead_bench.section import Bench, Section
from fairlead_bench.turns import Turns
from fairlead_devstack.progress import say

_CLIENTS = 16
_MIB = 2**20
_NOT_OURS = "kube-controller-manager"
"""Serves the whole cluster; Fairlead needs it to collect what lost its owner, and nothing of the load waits for it."""

ABOUT = """\
Both systems run at the same time on the same machine and are asked in turns (Fairlead, Cinder, Fairlead, ...) by the
same client, which speaks only the public API: POST of an attachment with a connector until the answer tells the
connection, `os-complete`, DELETE. Cinder has MariaDB, RabbitMQ, uWSGI with two processes, `noauth`, and its own test
driver that exports nothing. Fairlead has its own etcd (a write is on the disk before it is answered, as with MariaDB),
kube-apiserver, one operator, one facade, and exports real iSCSI targets by tgtd. So Cinder does less work on the data
path.

At the end the bare client of the [floor](#against-the-floor) takes Fairlead's place in the turns: it does the writes
and the target commands of a cycle and nothing else. What it misses no implementation with these writes can reach.
"""


@dataclass
class _Side:
    """One system, and the figures of it. Times in seconds.

    Attributes:
        rates: done per second, a figure for each turn.
    """

    name: str
    load: RestLoad
    pids: Callable[[], Mapping[str, list[int]]]
    volumes: list[str] = field(default_factory=list)
    attachments: list[str] = field(default_factory=list)
    times: dict[str, list[float]] = field(default_factory=dict)
    rates: dict[str, list[float]] = field(default_factory=dict)
    memory: dict[str, Mapping[str, Memory]] = field(default_factory=dict)

    def took(self, what: str, seconds: Iterable[float]) -> None:
        self.times.setdefault(what, []).extend(seconds)

    def rate(self, what: str, count: int, seconds: float) -> None:
        self.rates.setdefault(what, []).append(count / seconds)

    def median(self, what: str) -> float:
        return median(self.times[what])

    def weigh(self, moment: str) -> None:
        self.memory[moment] = processes.memory(self.pids())

    def held(self, moment: str) -> Memory:
        """All that counts."""
        parts = (memory for part, memory in self.memory[moment].items() if part != _NOT_OURS)
        return sum(parts, Memory(0, 0, 0))


async def _run(bench: Bench) -> Result:
    with (
        Installation(bench.folder / "fairlead", durable=True) as fairlead,
        Cinder(bench.folder / "cinder") as cinder,
    ):
        async with RestLoad(fairlead.url) as ours, RestLoad(cinder.url) as theirs:
            sides = (_Side("Fairlead", ours, fairlead.pids), _Side("Cinder", theirs, cinder.pids))
            many = bench.count(1000, quick=40)
            for side in sides:
                side.weigh("idle")
            await _cycles(sides, bench)
            await _fill(sides, many)
            for side in sides:
                side.weigh("loaded")
            await _reads(sides, bench, many)
            bound = await _bound(fairlead, sides, bench)
            return _result(*sides, bound=bound, many=many, versions=cinder.versions())


async def _in_turns(rounds: int, sides: Sequence[_Side], work: Callable[[_Side], Awaitable[None]]) -> None:
    for _ in range(rounds):
        for side in sides:
            await work(side)


async def _cycles(sides: Sequence[_Side], bench: Bench) -> None:
    async def alone(side: _Side) -> None:
        found, _ = await cycles(side.load, side.volumes[:1], each=bench.count(20, quick=5))
        side.took("create", (cycle.create for cycle in found))
        side.took("complete", (cycle.complete for cycle in found))
        side.took("delete", (cycle.delete for cycle in found))
        side.took("cycle", (cycle.whole for cycle in found))

    async def together(side: _Side) -> None:
        found, seconds = await cycles(side.load, side.volumes, each=bench.count(4, quick=1))
        side.took("cycle of 16", (cycle.whole for cycle in found))
        side.rate("cycles", len(found), seconds)

    say("attaching and detaching, in turns")
    for side in sides:
        side.volumes = await _volumes(side, _CLIENTS)
        # The first ones find caches cold and connections not made.
        await cycles(side.load, side.volumes, each=1)
    await _in_turns(bench.count(10, quick=2), sides, alone)
    await _in_turns(bench.count(6, quick=2), sides, together)


async def _volumes(side: _Side, count: int) -> list[str]:
    made, _ = await spread([1] * count, _CLIENTS // 2, side.load.create_volume)
    return made


async def _fill(sides: Sequence[_Side], many: int) -> None:
    """Have that many attachments in use, a volume each."""
    for side in sides:
        say(f"{side.name}: {many:,} attachments at a time")
        side.volumes += await _volumes(side, many - len(side.volumes))
        side.attachments, seconds = await spread(side.volumes, _CLIENTS, side.load.occupy)
        side.rate("attached", many, seconds)


async def _reads(sides: Sequence[_Side], bench: Bench, many: int) -> None:
    shows = bench.count(100, quick=20)

    async def show_alone(side: _Side) -> None:
        side.took("show", [await side.load.show(attachment) for attachment in side.attachments[:shows]])

    async def show_together(side: _Side) -> None:
        asked = (side.attachments * 4)[: 4 * shows]
        _, seconds = await spread(asked, _CLIENTS, side.load.show)
        side.rate("shows", len(asked), seconds)

    async def lists(side: _Side) -> None:
        for path in ("/attachments", "/attachments/detail"):
            side.took(path, [await side.load.listing(path, expected=many) for _ in range(2)])

    say("reading, in turns")
    rounds = bench.count(6, quick=2)
    for work in (show_alone, show_together, lists):
        await _in_turns(rounds, sides, work)


async def _bound(fairlead: Installation, sides: Sequence[_Side], bench: Bench) -> Table:
    """Compare the bare writes with Cinder, when the memory that they take is of no account any more."""
    ours, theirs = sides
    say("the bare writes, in turns with Cinder")
    volumes = await _volumes(theirs, _CLIENTS)
    async with Floor(fairlead.control_plane.kubeconfig, bench.folder / "bare", ours.load, _CLIENTS) as floor:
        await floor.cycles(1)
        alone, bare = await compare(
            floor, theirs.load, volumes, turns=bench.count(5, quick=1), each=bench.count(20, quick=5)
        )
        together, bare_together = Turns(), Turns()
        for _ in range(bench.count(4, quick=1)):
            await together.turn(cycles(theirs.load, volumes, each=4), {})
            await bare_together.turn(floor.cycles(8), {})
    whole = [1e3 * median([cycle.whole for cycle in lives]) for lives in (bare, alone)]
    rates = [median(turns.rates) for turns in (bare_together, together)]
    return Table(
        title="The writes and target commands of a cycle alone, in turns with Cinder",
        columns=("", "n each", "the writes alone", "Cinder", "quotient"),
        rows=(
            ("cycle of one client, median, ms", len(bare), *whole, whole[0] / whole[1]),
            (f"cycles per second, {_CLIENTS} clients", len(together.rates), *rates, rates[0] / rates[1]),
        ),
    )


def _result(ours: _Side, theirs: _Side, *, bound: Table, many: int, versions: Mapping[str, str]) -> Result:
    def quotient(what: str) -> float:
        return theirs.median(what) / ours.median(what)

    def faster(what: str) -> float:
        return median(ours.rates[what]) / median(theirs.rates[what])

    def lighter(moment: str) -> float:
        return ours.held(moment).proportional / theirs.held(moment).proportional

    memory = f"with {many:,} attachments"
    return Result(
        ratios=(
            Ratio(
                name="whole cycle, one client, median: Fairlead / Cinder",
                value=1 / quotient("cycle"),
                bound="at most",
                goal=1 / 3,
                aim=1 / 4,
            ),
            Ratio(
                name=f"cycles per second, {_CLIENTS} clients: Fairlead / Cinder",
                value=faster("cycles"),
                bound="at least",
                goal=5,
                aim=8,
            ),
            _at_least(10, "show, one client, median: Cinder / Fairlead", quotient("show")),
            _at_least(10, f"shows per second, {_CLIENTS} clients: Fairlead / Cinder", faster("shows")),
            _at_least(50, f"list of {many:,}, median: Cinder / Fairlead", quotient("/attachments")),
            _at_least(50, f"detail of {many:,}, median: Cinder / Fairlead", quotient("/attachments/detail")),
            *(
                Ratio(name=f"memory {when}: Fairlead / Cinder", value=lighter(moment), bound="at most", goal=2 / 3)
                for moment, when in (("idle", "idle"), ("loaded", memory))
            ),
        ),
        tables=(_times(ours, theirs), _rates(ours, theirs), bound, *(_memory(side, memory) for side in (ours, theirs))),
        charts=(_chart_of_times(ours, theirs), _chart_of_rates(ours, theirs), _chart_of_memory(ours, theirs, memory)),
        versions=versions,
        notes=(
            "Memory is compared by proportional set size: pages that several processes share are counted once in all. "
            f"{_NOT_OURS} is shown and not counted: the ratios are of Fairlead with its etcd and kube-apiserver.",
            "uWSGI ends the connection after each answer, so Cinder's client connects anew for each request.",
        ),
    )


def _at_least(goal: float, name: str, value: float) -> Ratio:
    return Ratio(name=name, value=value, bound="at least", goal=goal)


def _times(ours: _Side, theirs: _Side) -> Table:
    def row(what: str) -> tuple[Cell, ...]:
        cells = [cell for side in (ours, theirs) for cell in _quantiles(side.times[what])]
        return what, len(ours.times[what]), *cells, theirs.median(what) / ours.median(what)

    return Table(
        title="Milliseconds at one client (`cycle of 16`: each of 16 at once); lists in one page",
        columns=("", "n each", "Fairlead p50", "p95", "Cinder p50", "p95", "quotient of medians"),
        rows=tuple(row(what) for what in ours.times),
    )


def _quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    return median(seconds) * 1e3, quantile(seconds, 0.95) * 1e3


def _rates(ours: _Side, theirs: _Side) -> Table:
    def row(what: str) -> tuple[Cell, ...]:
        each = [one / other for one, other in zip(ours.rates[what], theirs.rates[what], strict=True)]
        mine, other = median(ours.rates[what]), median(theirs.rates[what])
        return what, len(each), mine, other, mine / other, min(each), max(each)

    return Table(
        title=f"Done per second by {_CLIENTS} clients, the median of the turns, and how far turns differ",
        columns=("", "turns each", "Fairlead", "Cinder", "quotient", "least", "most"),
        rows=tuple(row(what) for what in ours.rates),
    )


def _memory(side: _Side, loaded: str) -> Table:
    idle, after = side.memory["idle"], side.memory["loaded"]

    def row(name: str, before: Memory, then: Memory) -> tuple[Cell, ...]:
        sizes = (before.proportional, before.resident, then.proportional, then.resident)
        return name, then.processes, *(size / _MIB for size in sizes)

    parts = [row(f"({part})" if part == _NOT_OURS else part, idle[part], after[part]) for part in after]
    return Table(
        title=f"Memory of {side.name} in MiB, idle and {loaded}",
        columns=("", "processes", "idle PSS", "idle RSS", "then PSS", "then RSS"),
        rows=(*parts, row("all that counts", side.held("idle"), side.held("loaded"))),
    )


def _chart_of_times(ours: _Side, theirs: _Side) -> Chart:
    names = {"cycle": "whole cycle", "/attachments": "list", "/attachments/detail": "detail"}
    shown = ("create", "complete", "delete", "cycle", "show", "/attachments", "/attachments/detail")
    return Chart(
        name="cinder-times",
        title="Milliseconds at one client, medians (logarithmic)",
        logarithmic=True,
        series=tuple(
            Series(name=side.name, points=tuple((names.get(what, what), side.median(what) * 1e3) for what in shown))
            for side in (ours, theirs)
        ),
    )


def _chart_of_rates(ours: _Side, theirs: _Side) -> Chart:
    return Chart(
        name="cinder-rates",
        title=f"Done per second by {_CLIENTS} clients, medians of the turns (logarithmic)",
        logarithmic=True,
        series=tuple(
            Series(name=side.name, points=tuple((what, median(rates)) for what, rates in side.rates.items()))
            for side in (ours, theirs)
        ),
    )


def _chart_of_memory(ours: _Side, theirs: _Side, loaded: str) -> Chart:
    return Chart(
        name="cinder-memory",
        title="Memory in MiB (PSS)",
        series=tuple(
            Series(
                name=side.name,
                points=tuple(
                    (when, side.held(moment).proportional / _MIB)
                    for moment, when in (("idle", "idle"), ("loaded", loaded))
                ),
            )
            for side in (ours, theirs)
        ),
    )


SECTION = Section(name="cinder", title="Against Cinder", about=ABOUT, run=_run)
