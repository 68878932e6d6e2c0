"""Section `targets`: an attachment's life through REST beside 10 real targets and beside 2,000."""

import asyncio
import json
import time

from fairlead_bench.figures import Cell, Result, Table, median, quantile
from fairlead_bench.installation import Installation
from fairlead_bench.rest_load import CONNECTOR, Cycle, RestLoad, spread
from fairlead_bench.section import Bench, Section
from fairlead_devstack.initiator import Access, LoggedIn
from fairlead_devstack.progress import say

_LANES = 16
_MEBIBYTES = 16

ABOUT = """\
How much the number of targets of one tgtd matters. Every target is made through REST on a real tgtd and stays; one
client then goes through lives of one more attachment, first beside few, then beside many. tgtd prints all of its
targets to show one, which an attach waits for; a detach waits for the deletion of a CHAP account, for which tgtd looks
at every account for each target. A node logs in to one of the many and reads back what it wrote.
"""


async def _run(bench: Bench) -> Result:
    few, many = 10, bench.count(2_000, quick=100)
    samples = bench.count(100, quick=10)
    with Installation(bench.folder / "fairlead", durable=False) as fairlead:
        async with RestLoad(fairlead.url) as load:
            spare = await load.create_volume()
            beside_few = await _lives(load, spare, present=few, more=few, samples=samples)
            began = time.monotonic()
            beside_many = await _lives(load, spare, present=many, more=many - few, samples=samples)
            made = time.monotonic() - began
            await asyncio.to_thread(_write_and_read, await _access(load))
    return _result(few, many, beside_few, beside_many, made)


async def _lives(load: RestLoad, spare: str, *, present: int, more: int, samples: int) -> list[Cycle]:
    """Attach more until that many are present, then go through lives of one beside them."""
    say(f"attaching up to {present}")

    async def occupy(_: int) -> None:
        await load.occupy(await load.create_volume())

    await spread(range(more), _LANES, occupy)
    await load.cycle(spare)
    return [await load.cycle(spare) for _ in range(samples)]


async def _access(load: RestLoad) -> Access:
    newest = json.loads(await load.content("/attachments?limit=1"))["attachments"][0]["id"]
    info = json.loads(await load.content(f"/attachments/{newest}"))["attachment"]["connection_info"]
    return Access.of(
        info, initiator=CONNECTOR["initiator"], username=info["auth_username"], password=info["auth_password"]
    )


def _write_and_read(access: Access) -> None:
    with LoggedIn(access) as node:
        node.write(mebibytes=_MEBIBYTES, pattern=0x5A)
        node.read(mebibytes=_MEBIBYTES, pattern=0x5A)


def _result(few: int, many: int, beside_few: list[Cycle], beside_many: list[Cycle], made: float) -> Result:
    parts = {
        "attach": ([c.create for c in beside_few], [c.create for c in beside_many]),
        "detach": ([c.delete for c in beside_few], [c.delete for c in beside_many]),
    }
    rows: list[tuple[Cell, ...]] = []
    for name, (less, more) in parts.items():
        for word, figure in (("median", median), ("95th percentile", lambda values: quantile(values, 0.95))):
            rows.append((f"{name}, {word}, ms", 1000 * figure(less), 1000 * figure(more), figure(more) / figure(less)))
    return Result(
        tables=(
            Table(
                title="Lives through REST",
                columns=("", f"beside {few}", f"beside {many:,}", "ratio"),
                rows=tuple(rows),
            ),
        ),
        notes=(f"Attaching the {many - few:,} in between and {len(beside_many)} lives took {made:.0f} s.",),
    )


SECTION = Section(name="targets", title="2,000 real targets", about=ABOUT, run=_run)
