"""Section `collector`: what memory costs in time, by the one knob that every Go program has for it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from fairlead_bench import processes
from fairlead_bench.figures import Cell, Result, Table, median
from fairlead_bench.installation import Installation
from fairlead_bench.processes import Memory
from fairlead_bench.rest_load import RestLoad, cycles, spread
from fairlead_bench.section import Bench, Section
from fairlead_devstack.progress import say

_CLIENTS = 16
_MIB = 2**20
_COUNTED = ("etcd", "kube-apiserver", "operator", "facade", "tgtd")

ABOUT = """\
kube-apiserver and etcd collect garbage when their heap has grown by so many percent of what was in use (`GOGC`, 100 by
default). Under load most of kube-apiserver's memory is garbage that waits, so this is where memory and speed are
exchanged. Whole installations that differ in nothing else are asked in turns.
"""


@dataclass
class _Installed:
    """One installation and its figures. Times in seconds."""

    percent: int
    installation: Installation
    load: RestLoad
    volumes: list[str] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    memory: list[Mapping[str, Memory]] = field(default_factory=list)

    async def occupy(self, _: int) -> None:
        """One attachment more."""
        await self.load.occupy(await self.load.create_volume())

    async def turn(self) -> None:
        """Lives of one client, then of many."""
        found, _ = await cycles(self.load, self.volumes[:1], each=20)
        self.alone += [cycle.whole for cycle in found]
        found, seconds = await cycles(self.load, self.volumes, each=4)
        self.rates.append(len(found) / seconds)

    def weigh(self) -> None:
        self.memory.append(processes.memory(self.installation.pids()))


async def _run(bench: Bench) -> Result:
    many = bench.count(1000, quick=40)
    async with AsyncExitStack() as open_:
        found: list[_Installed] = []
        for percent in (100, 40):
            say(f"an installation with GOGC={percent}")
            environment = {"GOGC": str(percent)}
            folder = bench.folder / f"gogc-{percent}"
            installation = open_.enter_context(Installation(folder, durable=True, environment=environment))
            load = await open_.enter_async_context(RestLoad(installation.url))
            found.append(_Installed(percent, installation, load))
        for each in found:
            each.weigh()
            each.volumes = [await each.load.create_volume() for _ in range(_CLIENTS)]
            await cycles(each.load, each.volumes, each=1)
        for _ in range(bench.count(6, quick=1)):
            for each in found:
                await each.turn()
        for each in found:
            say(f"{many:,} attachments with GOGC={each.percent}")
            await spread(range(many), _CLIENTS, each.occupy)
            each.weigh()
        return _result(found, many)


def _result(found: Sequence[_Installed], many: int) -> Result:
    def row(each: _Installed) -> tuple[Cell, ...]:
        idle, loaded = (sum((memory[part].proportional for part in _COUNTED), 0) / _MIB for memory in each.memory)
        server = each.memory[1]["kube-apiserver"].proportional / _MIB
        return each.percent, 1e3 * median(each.alone), median(each.rates), idle, loaded, server

    columns = (
        "GOGC",
        "cycle of one client, median, ms",
        f"cycles per second, {_CLIENTS} clients",
        "MiB idle (PSS)",
        f"MiB with {many:,} attachments",
        "of these kube-apiserver",
    )
    return Result(tables=(Table(title="Memory for time", columns=columns, rows=tuple(map(row, found))),))


SECTION = Section(name="collector", title="Memory for time", about=ABOUT, run=_run)
