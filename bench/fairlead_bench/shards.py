"""Section `shards`: two Backends served by one operator and one facade, or by two operators and two facades."""

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import chain

from fairlead_bench import processes
from fairlead_bench.divided import BACKENDS, DIVIDED, TOGETHER, DividedInstallation, Layout, Running
from fairlead_bench.figures import Cell, Ratio, Result, Table, median
from fairlead_bench.rest_load import Cycle, RestLoad, cycles, spread
from fairlead_bench.section import Bench, Section
from fairlead_bench.turns import Turns
from fairlead_devstack.population import RECORD, Loading, live_once, populate

_CLIENTS = 16
_LAYOUTS = (TOGETHER, DIVIDED)

ABOUT = f"""\
Backends are what divides the work: `1 + 1` is one operator that serves two Backends and one facade; `2 + 2` is an
operator and a facade for each, with a controller beside. Both have the same control plane, the same two tgtd and the
same {_CLIENTS} clients, in turns. On one machine everything shares its processors, so the rate says what dividing
costs; what it is for shows in the other figures: what each process has to compute for a life, and, with very many pairs
of Volume and Attachment of which each Backend has half, what each operator reads when it starts and holds in memory.
Those pairs exist on paper, by the driver `record`.
"""


@dataclass
class _Load(Turns):
    """What was seen of a layout under load, and what its operators' watches told of (`events`)."""

    events: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Full:
    """What was seen of a layout with very many objects, by process."""

    memory: Mapping[str, processes.Memory]
    held: Mapping[str, Mapping[str, float]]


async def _turn(
    installation: DividedInstallation, layout: Layout, volumes: Sequence[Sequence[str]], load: _Load, *, each: int
) -> None:
    """One turn of a layout: half of the clients use each Backend, and each facade if there are two."""
    running = await asyncio.to_thread(Running, installation.stack, layout)
    try:
        await running.wait_serving()
        async with AsyncExitStack() as stack:
            urls = [running.urls[number % len(running.urls)] for number in range(len(BACKENDS))]
            doors = [await stack.enter_async_context(RestLoad(url, connections=_CLIENTS)) for url in urls]

            async def go(each: int) -> tuple[list[Cycle], float]:
                parts = await asyncio.gather(
                    *(cycles(door, own, each=each) for door, own in zip(doors, volumes, strict=True))
                )
                return [*chain.from_iterable(found for found, _ in parts)], max(seconds for _, seconds in parts)

            # The first ones find caches cold and connections not made.
            await go(2)
            pids = {**running.pids(), **installation.daemons(), "bench": [os.getpid()]}
            told = running.events()
            await load.turn(go(each), pids)
            now = running.events()
            load.events.update({name: now[name] - told[name] for name in now})
    finally:
        await asyncio.to_thread(running.stop)


async def _loaded(bench: Bench) -> Mapping[str, _Load]:
    loads = {layout.name: _Load() for layout in _LAYOUTS}
    with DividedInstallation(bench.folder / "loaded") as installation:
        first = await asyncio.to_thread(Running, installation.stack, TOGETHER)
        await first.wait_serving()
        async with RestLoad(first.urls[0]) as door:

            async def volume(backend: str) -> str:
                return await door.create_volume(volume_type=backend)

            half = _CLIENTS // len(BACKENDS)
            volumes = [(await spread([name] * half, half, volume))[0] for name in BACKENDS]
        await asyncio.to_thread(first.stop)
        for number in range(bench.count(6, quick=1)):
            # Each begins every other round.
            for layout in _LAYOUTS[:: -1 if number % 2 else 1]:
                await _turn(installation, layout, volumes, loads[layout.name], each=bench.count(20, quick=5))
    return loads


async def _filled(bench: Bench, pairs: int) -> tuple[Loading, Mapping[str, _Full]]:
    found = {}
    with DividedInstallation(bench.folder / "filled", driver="record", parameters=RECORD) as installation:
        stack = installation.stack
        first = await asyncio.to_thread(Running, stack, TOGETHER)
        await first.wait_serving()
        lived = []
        for name in BACKENDS:
            installation.set_default(name)
            lived.append(await asyncio.to_thread(live_once, stack, f"bench-{name}"))
        await asyncio.to_thread(first.stop)
        for name, pair in zip(BACKENDS, lived, strict=True):
            loading = await populate(stack, pair, pairs // len(BACKENDS), notes=stack.data_dirs[name])
        for layout in _LAYOUTS:
            running = await asyncio.to_thread(Running, stack, layout)
            try:
                await running.wait_serving(pairs)
                found[layout.name] = _Full(
                    memory=processes.memory({name: running.pids()[name] for name in layout.operators}),
                    held={
                        name: running.counted(name, "fairlead_cache_objects", "resource") for name in layout.operators
                    },
                )
            finally:
                await asyncio.to_thread(running.stop)
    return loading, found


async def _run(bench: Bench) -> Result:
    pairs = bench.count(10_000, quick=400)
    loads = await _loaded(bench)
    loading, full = await _filled(bench, pairs)
    together, divided = (loads[layout.name] for layout in _LAYOUTS)
    whole = full[TOGETHER.name].memory["operator"].proportional
    parts = [full[DIVIDED.name].memory[name].proportional for name in DIVIDED.operators if name != "controller"]
    return Result(
        ratios=(
            Ratio(
                name=f"lives per second, {_CLIENTS} clients on one machine: 2 + 2 / 1 + 1",
                value=median([one / other for one, other in zip(divided.rates, together.rates, strict=True)]),
                bound="at least",
                goal=0.9,
            ),
            Ratio(
                name=f"objects that an operator holds, {pairs:,} pairs: one of two / one alone",
                value=max(held["attachments"] for held in full[DIVIDED.name].held.values())
                / full[TOGETHER.name].held["operator"]["attachments"],
                bound="at most",
                goal=0.51,
            ),
            Ratio(
                name=f"memory of an operator, {pairs:,} pairs: the larger of two / one alone",
                value=max(parts) / whole,
                bound="at most",
                goal=0.8,
            ),
        ),
        tables=(_rates(loads), _costs(loads), _holdings(full, loading, pairs)),
    )


def _rates(loads: Mapping[str, _Load]) -> Table:
    return Table(
        title=f"Lives per second by {_CLIENTS} clients",
        columns=("", "turns", "least", "median", "most"),
        rows=tuple(
            (name, len(load.rates), min(load.rates), median(load.rates), max(load.rates))
            for name, load in loads.items()
        ),
    )


def _costs(loads: Mapping[str, _Load]) -> Table:
    def rows(name: str, load: _Load) -> list[tuple[Cell, ...]]:
        found: list[tuple[Cell, ...]] = [
            (name, part, load.cost(part), load.events[part] / load.lives if part in load.events else None)
            for part in load.cpu
        ]
        return [*found, (name, "all", load.cost(), None)]

    return Table(
        title="Per life: milliseconds of processor time, and changes that an operator's watches told of",
        columns=("layout", "process", "ms", "changes"),
        rows=tuple(row for name, load in loads.items() for row in rows(name, load)),
    )


def _holdings(full: Mapping[str, _Full], loading: Loading, pairs: int) -> Table:
    return Table(
        title=f"With {pairs:,} pairs, after the start of each operator",
        columns=("layout", "process", "attachments", "volumes", "MB of JSON read", "MiB of memory"),
        rows=tuple(
            (
                layout,
                name,
                int(held["attachments"]),
                int(held["volumes"]),
                (held["attachments"] * loading.attachment_bytes + held["volumes"] * loading.volume_bytes) / 1e6,
                seen.memory[name].proportional / 2**20,
            )
            for layout, seen in full.items()
            for name, held in seen.held.items()
        ),
    )


SECTION = Section(name="shards", title="Operators and facades that divide the work", about=ABOUT, run=_run)
