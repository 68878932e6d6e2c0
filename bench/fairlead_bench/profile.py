"""Section `profile`: where operator and facade spend their processor time while 16 clients attach and detach."""

import asyncio
import subprocess
import sys
from pathlib import Path

from fairlead_bench import stacks
from fairlead_bench.figures import Cell, Flame, Result, Table
from fairlead_bench.installation import Installation
from fairlead_bench.rest_load import RestLoad, cycles
from fairlead_bench.section import Bench, Section
from fairlead_bench.stacks import Stacks
from fairlead_devstack.progress import say

_CLIENTS = 16
_PER_SECOND = 250
_PROCESSES = ("operator", "facade")

ABOUT = """\
py-spy samples both processes from outside, 250 times a second, and keeps the samples in which the process computes
(holds Python's lock). The graphs leave out the event loop's own frames and what is below 0.4 % of the samples. An area
of the table has the samples whose innermost function is of it; functions of Python's own library count to who called
them.
"""


async def _run(bench: Bench) -> Result:
    seconds = bench.count(20, quick=4)
    with Installation(bench.folder / "fairlead", durable=False) as fairlead:
        async with RestLoad(fairlead.url) as load:
            volumes = [await load.create_volume() for _ in range(_CLIENTS)]
            await cycles(load, volumes, each=2)
            say("sampling")
            pids = {name: fairlead.pids()[name][0] for name in _PROCESSES}
            sampling = [_sampled(pid, seconds, bench.folder / f"{name}.txt") for name, pid in pids.items()]
            sampled = asyncio.gather(*sampling)
            while not sampled.done():
                await cycles(load, volumes, each=1)
            return _result(dict(zip(pids, await sampled, strict=True)))


async def _sampled(pid: int, seconds: int, file: Path) -> Stacks:
    command = [
        *(str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(pid), "--gil", "--format", "raw"),
        *("--duration", str(seconds), "--rate", str(_PER_SECOND), "--output", str(file)),
    ]
    process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        _, said = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode != 0:
        raise RuntimeError(f"py-spy ended with {process.returncode}: {said.decode(errors='replace').strip()}")
    return stacks.read(await asyncio.to_thread(file.read_text))


def _result(found: dict[str, Stacks]) -> Result:
    shares = {name: stacks.areas(each) for name, each in found.items()}
    names = sorted({area for each in shares.values() for area in each}, key=lambda a: -shares["operator"].get(a, 0.0))
    rows: list[tuple[Cell, ...]] = [
        (area, *(f"{shares[name].get(area, 0.0):.0%}" for name in _PROCESSES)) for area in names
    ]
    return Result(
        tables=(Table(title="Share of the samples", columns=("", *_PROCESSES), rows=tuple(rows)),),
        flames=tuple(
            Flame(name=f"flame-{name}", title=f"The {name} under {_CLIENTS} clients", root=stacks.tree(each))
            for name, each in found.items()
        ),
    )


SECTION = Section(name="profile", title="Where the time goes", about=ABOUT, run=_run)
