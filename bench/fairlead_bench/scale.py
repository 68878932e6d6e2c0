"""Section `scale`: the same things with 1,000, 10,000 and 100,000 Attachments, and as many Volumes, present."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from fairlead_bench import processes
from fairlead_bench.figures import Cell, Chart, Ratio, Result, Series, Table, median, quantile
from fairlead_bench.populated import BACKEND, PROJECT, Populated, Watched
from fairlead_bench.rest_load import RestLoad
from fairlead_bench.section import Bench, Section
from fairlead_devstack.population import Loading
from fairlead_devstack.progress import say

_MIB = 2**20
_PAGE = 100
_GOAL = 100_000

ABOUT = """\
How much the number of objects matters. Exports are written down and not made (driver `record`), because 100,000 of
them are not at hand; everything else is real. One pair of Volume and Attachment lives through the facade and the
operator, and copies of what it leaves behind are written straight to the API server. Then an operator starts over them,
a second one stands by and takes over when the first is killed (`kill -9`), and a facade starts. A whole installation
beside it keeps 1,000 pairs from the beginning to the end, and whatever is compared with it is asked of both in turns,
which with 1,000 in both shows how far two alike installations differ. *Compared* is when the
Lease is won, everything read from a quorum and compared with the exports; *ready* is when its watches have begun,
too, so that it hears of changes at once; *done* is when every object has been looked at once. A stall is a turn of the
event loop, from when it has seen what is ready until it looks again; *work* is the most processor time of one.
"""


@dataclass(frozen=True)
class _Asked:
    """What one client saw of an installation. Times in seconds."""

    attach: list[float] = field(default_factory=list)
    page: list[float] = field(default_factory=list)
    show: list[float] = field(default_factory=list)
    of_volume: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)


@dataclass(kw_only=True)
class _Size:
    """What was seen with so many pairs. Times in seconds, memory in bytes.

    Attributes:
        asked: of the installation that has them.
        beside: of the one that has few, in the same turns.
        busy: processors that each process kept busy, by what the client did.
    """

    pairs: int
    loading: Loading
    compared: float = 0.0
    ready: float = 0.0
    done: float = 0.0
    writes: int = 0
    backend_writes: int = 0
    failover: float = 0.0
    serving: float = 0.0
    asked: _Asked = field(default_factory=_Asked)
    beside: _Asked = field(default_factory=_Asked)
    memory: dict[str, int] = field(default_factory=dict)
    stalls: dict[str, float] = field(default_factory=dict)
    work: dict[str, float] = field(default_factory=dict)
    busy: dict[str, dict[str, float]] = field(default_factory=dict)
    store: int = 0


def _measure(installed: Populated, beside: Populated, pairs: int, bench: Bench) -> _Size:
    say(f"loading {pairs - installed.pairs} pairs")
    loading = installed.grow(pairs)
    size = _Size(pairs=pairs, loading=loading)
    say(f"loaded in {size.loading.seconds:.0f} s; starting an operator")
    mark = installed.control_plane.audit_log.mark()
    first = installed.operator(f"first-{pairs}")
    size.compared = first.until("swept", lambda: first.metric("fairlead_sweeps_total", outcome="done") >= 1)
    size.ready = size.compared + first.until("heard of changes", lambda: first.watches)
    size.done = size.ready + first.until("had looked at everything", lambda: _idle(first, pairs))
    written = [entry.resource for entry in installed.writes_since(mark)]
    size.writes = sum(resource in ("volumes", "attachments") for resource in written)
    size.backend_writes = len(written) - size.writes
    size.memory["operator"] = _resident(first)
    size.stalls["operator"], size.work["operator"] = first.longest_stall, first.longest_work
    say(f"ready after {size.ready:.1f} s, done after {size.done:.1f} s; starting a facade")
    began = time.monotonic()
    facade = installed.facade(f"facade-{pairs}")
    size.serving = time.monotonic() - began
    size.memory["facade"] = _resident(facade)
    spare = installed.operator(f"spare-{pairs}")
    # Until it is at rest it has a core of its own, which the requests would miss.
    spare.until("heard of changes", lambda: spare.watches)
    parts = {name: [component.pid] for name, component in installed.control_plane.components.items()}
    asyncio.run(_requests(installed, beside, size, first, bench))
    size.memory["standby"] = _resident(spare)
    size.stalls |= {"facade": facade.longest_stall, "takeover": spare.longest_stall}
    size.work |= {"facade": facade.longest_work, "takeover": spare.longest_work}
    size.store = installed.store_bytes()
    size.memory |= {name: held.resident for name, held in processes.memory(parts).items()}
    installed.end(f"facade-{pairs}", f"spare-{pairs}", f"first-{pairs}")
    return size


@dataclass(frozen=True)
class _Client:
    """One client of an installation, on a volume of its own."""

    load: RestLoad
    volume: str
    seen: _Asked

    async def live(self, count: int) -> None:
        """Attach and detach so many times."""
        self.seen.attach.extend([(await self.load.cycle(self.volume)).create for _ in range(count)])

    async def read(self, count: int) -> None:
        """Ask as often for a page that begins below the newest, the attachment before it, and those of its volume."""
        newest = json.loads(await self.load.content(f"/attachments?limit={_PAGE}"))["attachments"]
        marker, volume = (newest[_PAGE // 2][key] for key in ("id", "volume_id"))
        for _ in range(count):
            page = await self._ask(f"/attachments?limit={_PAGE}&marker={marker}", self.seen.page)
            self.seen.show.append(await self.load.show(marker))
            alone = await self._ask(f"/attachments?volume_id={volume}", self.seen.of_volume)
        assert len(page) == _PAGE
        assert [attachment["id"] for attachment in alone] == [marker]

    async def look_at_everything(self, count: int) -> None:
        """Ask as often for what no index knows and nothing is."""
        for _ in range(count):
            assert await self._ask("/attachments?status=reserved", self.seen.whole) == []

    async def _ask(self, path: str, seconds: list[float]) -> list[Any]:
        began = time.perf_counter()
        content = await self.load.content(path)
        seconds.append(time.perf_counter() - began)
        found: list[Any] = json.loads(content)["attachments"]
        return found


async def _requests(installed: Populated, beside: Populated, size: _Size, leader: Watched, bench: Bench) -> None:
    async with AsyncExitStack() as open_:
        clients = []
        for place, seen in ((installed, size.asked), (beside, size.beside)):
            load = await open_.enter_async_context(RestLoad(f"{place.stack.facade_url}/v3", project=PROJECT))
            clients.append(_Client(load, await load.create_volume(), seen))
        for client in clients:
            # The first ones find caches cold and connections not made.
            for _ in range(bench.count(10, quick=3)):
                await client.load.cycle(client.volume)
        turns = bench.count(10, quick=2)
        with _watching(installed, beside, size, "lives"):
            for client in turns * clients:
                await client.live(bench.count(20, quick=5))
        with _watching(installed, beside, size, "reads"):
            for client in turns * clients:
                await client.read(bench.count(30, quick=5))
        for client in 2 * clients:
            await client.look_at_everything(3)
        leader.component.kill()
        began = time.monotonic()
        await clients[0].load.attach(clients[0].volume)
        size.failover = time.monotonic() - began


@contextmanager
def _watching(installed: Populated, beside: Populated, size: _Size, what: str) -> Iterator[None]:
    """Note who keeps the processors busy meanwhile."""
    here = {name.removesuffix(f"-{size.pairs}"): pids for name, pids in installed.pids().items()}
    everybody = {
        **here,
        "the installation beside": [*chain.from_iterable(beside.pids().values())],
        "client": [os.getpid()],
    }
    began, before = time.perf_counter(), processes.cpu_by_part(everybody)
    yield
    used, seconds = processes.cpu_by_part(everybody), time.perf_counter() - began
    size.busy[what] = {part: (used[part] - before[part]) / seconds for part in everybody}


def _idle(operator: Watched, pairs: int) -> bool:
    passes = operator.metric("fairlead_passes_total", backend=BACKEND)
    return passes >= 2 * pairs and operator.metric("fairlead_queue_keys", backend=BACKEND) == 0


def _resident(process: Watched) -> int:
    return processes.memory({"it": [process.component.pid]})["it"].resident


async def _run(bench: Bench) -> Result:
    sizes = (300, 600, 1200) if bench.quick else tuple(n for n in (1000, 10_000, 100_000) if n <= bench.largest)
    with Populated(bench.folder / "many") as installed, Populated(bench.folder / "few") as beside:
        # Starting processes and waiting for them blocks, and the requests have an event loop of their own.
        await asyncio.to_thread(_occupy, beside, sizes[0])
        found = [await asyncio.to_thread(_measure, installed, beside, pairs, bench) for pairs in sizes]
    return _result(found)


def _occupy(beside: Populated, pairs: int) -> None:
    say(f"loading {pairs} pairs for the installation beside")
    beside.grow(pairs)
    operator = beside.operator("operator")
    operator.until("heard of changes", lambda: operator.watches)
    beside.facade("facade")


def _result(found: list[_Size]) -> Result:
    few, many = found[0], found[-1]
    compared, size = f"{many.pairs:,} / {few.pairs:,}", f"{many.pairs:,} pairs"
    ratios = (
        Ratio(
            name=f"attach, median: {compared}",
            value=median(many.asked.attach) / median(many.beside.attach),
            bound="at most",
            goal=1.3,
        ),
        Ratio(
            name=f"page of {_PAGE}, median: {compared}",
            value=median(many.asked.page) / median(many.beside.page),
            bound="at most",
            goal=1.3,
        ),
        Ratio(name=f"operator ready, {size}, s", value=many.ready, bound="at most", goal=120),
        Ratio(name=f"operator, {size}, GiB", value=many.memory["operator"] / 2**30, bound="at most", goal=1.5),
        Ratio(name=f"facade serving, {size}, s", value=many.serving, bound="at most", goal=60),
        Ratio(name=f"facade, {size}, GiB", value=many.memory["facade"] / 2**30, bound="at most", goal=1),
        Ratio(name="longest stall, ms", value=1000 * max(many.stalls.values()), bound="at most", goal=250),
        Ratio(name="writes by a start over unchanged objects", value=many.writes, bound="at most", goal=0),
    )
    return Result(
        ratios=ratios,
        tables=(_times(found), _busy(found), _memory(found), _loading(found)),
        charts=(
            Chart(
                name="scale",
                title="Resident memory, MiB",
                series=tuple(
                    Series(name=part, points=tuple((f"{size.pairs:,}", size.memory[part] / _MIB) for size in found))
                    for part in many.memory
                ),
                logarithmic=True,
            ),
        ),
        notes=(
            "The operator's memory holds the notes of the driver `record`, which a driver of real storage has not.",
            *([] if many.pairs >= _GOAL else [f"The goals are those for {_GOAL:,} pairs; this run ended with {size}."]),
        ),
    )


def _times(found: list[_Size]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        *_asked(found, "attach through REST", "attach"),
        ("the same, 99th percentile, ms", *(1000 * quantile(s.asked.attach, 0.99) for s in found)),
        *_asked(found, f"page of {_PAGE} by marker", "page"),
        *_asked(found, "one attachment", "show"),
        *_asked(found, "those of one volume, by filter", "of_volume"),
        *_asked(found, "those of a status that none has", "whole"),
        ("operator has compared everything after its start, s", *(s.compared for s in found)),
        ("operator ready, s", *(s.ready for s in found)),
        ("operator done, s", *(s.done for s in found)),
        ("writes by that start, of Volumes and Attachments", *(s.writes for s in found)),
        ("of its Backend, which the loading has filled, and Events", *(s.backend_writes for s in found)),
        ("an attach across kill -9 of the operator, s", *(s.failover for s in found)),
        ("facade serving after its start, s", *(s.serving for s in found)),
    ]
    rows += [
        (f"longest work without a turn: {part}, ms", *(1000 * s.work[part] for s in found)) for part in found[0].work
    ]
    rows += [(f"longest stall: {part}, ms", *(1000 * s.stalls[part] for s in found)) for part in found[0].stalls]
    return Table(title="Times", columns=_columns(found), rows=tuple(rows))


def _asked(found: list[_Size], title: str, what: str) -> Iterator[tuple[Cell, ...]]:
    for place, name in (("asked", title), ("beside", f"the same of {found[0].pairs:,} pairs, in turns")):
        yield (f"{name}, median, ms", *(1000 * median(getattr(getattr(size, place), what)) for size in found))


def _busy(found: list[_Size]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (f"{what}: {part}", *(s.busy[what][part] for s in found))
        for what in found[0].busy
        for part in found[0].busy[what]
    ]
    return Table(
        title="Processors busy while one client attaches and detaches, then reads",
        columns=_columns(found),
        rows=tuple(rows),
    )


def _memory(found: list[_Size]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (f"{part}, MiB", *(size.memory[part] / _MIB for size in found)) for part in found[0].memory
    ]
    rows.append(("etcd's file, MiB", *(size.store / _MIB for size in found)))
    return Table(title="Resident memory", columns=_columns(found), rows=tuple(rows))


def _loading(found: list[_Size]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        ("pairs written", *(s.loading.pairs for s in found)),
        ("seconds", *(s.loading.seconds for s in found)),
        ("writes per second", *(s.loading.writes / s.loading.seconds for s in found)),
        ("an Attachment's JSON, bytes", *(s.loading.attachment_bytes for s in found)),
        ("a Volume's JSON, bytes", *(s.loading.volume_bytes for s in found)),
    ]
    return Table(title="Loading, four writes a pair", columns=_columns(found), rows=tuple(rows))


def _columns(found: list[_Size]) -> tuple[str, ...]:
    return ("with this many pairs", *(f"{size.pairs:,}" for size in found))


SECTION = Section(name="scale", title="Many attachments", about=ABOUT, run=_run)
