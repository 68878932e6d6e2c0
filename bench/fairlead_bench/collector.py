"""Section `collector`: what memory costs in time, by the knobs that every Go program has for it."""

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from fairlead_bench import processes
from fairlead_bench.figures import Cell, Result, Table, median
from fairlead_bench.installation import Installation
from fairlead_bench.processes import Memory
from fairlead_bench.rest_load import RestLoad, cycles, spread
from fairlead_bench.section import Bench, Section
from fairlead_bench.turns import Turns
from fairlead_devstack.progress import say

_CLIENTS = 16
_TURNS = 6
_MIB = 2**20
_SERVER = "kube-apiserver"
_SETTINGS: Mapping[str, Mapping[str, str]] = {
    "neither": {},
    "GOMEMLIMIT=300MiB": {"GOMEMLIMIT": "300MiB"},
    "GOGC=400": {"GOGC": "400"},
}
_COUNTED = ("etcd", _SERVER, "operator", "facade", "tgtd")

ABOUT = """\
kube-apiserver and etcd collect garbage when their heap has doubled, so under load most of kube-apiserver's memory is
garbage that waits. Two variables of their environment exchange memory and speed: `GOMEMLIMIT` has a process collect
sooner when it comes near that size, and `GOGC` says by how many percent the heap may grow (100 by default). Whole
installations that differ in nothing else are asked in turns.
"""


@dataclass
class _Installed:
    """One installation and its figures. Times in seconds."""

    name: str
    installation: Installation
    load: RestLoad
    volumes: list[str] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    together: Turns = field(default_factory=Turns)
    memory: list[Mapping[str, Memory]] = field(default_factory=list)

    async def occupy(self, _: int) -> None:
        """One attachment more."""
        await self.load.occupy(await self.load.create_volume())

    async def turn(self) -> None:
        """Lives of one client, then of many."""
        found, _ = await cycles(self.load, self.volumes[:1], each=20)
        self.alone += [cycle.whole for cycle in found]
        await self.together.turn(cycles(self.load, self.volumes, each=4), self.installation.pids())

    def weigh(self) -> None:
        self.memory.append(processes.memory(self.installation.pids()))


async def _run(bench: Bench) -> Result:
    many = bench.count(1000, quick=40)
    async with AsyncExitStack() as open_:
        found: list[_Installed] = []
        for number, (name, environment) in enumerate(_SETTINGS.items()):
            say(f"an installation with {name}")
            folder = bench.folder / f"installation-{number}"
            installation = open_.enter_context(Installation(folder, durable=True, environment=environment))
            load = await open_.enter_async_context(RestLoad(installation.url))
            found.append(_Installed(name, installation, load))
        for each in found:
            each.weigh()
            each.volumes = [await each.load.create_volume() for _ in range(_CLIENTS)]
            await cycles(each.load, each.volumes, each=1)
        for _ in range(bench.count(_TURNS, quick=1)):
            for each in found:
                await each.turn()
        for each in found:
            say(f"{many:,} attachments with {each.name}")
            await spread(range(many), _CLIENTS, each.occupy)
            each.weigh()
        return _result(found, many)


def _result(found: Sequence[_Installed], many: int) -> Result:
    def row(each: _Installed) -> tuple[Cell, ...]:
        idle, loaded = (sum((memory[part].proportional for part in _COUNTED), 0) / _MIB for memory in each.memory)
        server = each.memory[1][_SERVER].proportional / _MIB
        speed = (1e3 * median(each.alone), median(each.together.rates), each.together.cost(_SERVER))
        return each.name, *speed, idle, loaded, server

    columns = (
        "",
        "cycle of one client, median, ms",
        f"cycles per second, {_CLIENTS} clients",
        f"ms of {_SERVER} per cycle",
        "MiB idle (PSS)",
        f"MiB with {many:,} attachments",
        f"of these {_SERVER}",
    )
    return Result(tables=(Table(title="Memory for time", columns=columns, rows=tuple(map(row, found))),))


SECTION = Section(name="collector", title="Memory for time", about=ABOUT, run=_run)
