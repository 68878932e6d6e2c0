"""2,000 exports on one tgtd, all of them real: each its file, its target, its account and its initiator."""

import asyncio
import resource
from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from fairlead_operator.drivers.base import AccessMode, BackendVolume, ConnectionInfo, Credentials, ExportRequest
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from iscsi_bench import NODE, OTHER_NODE, PASSWORD, IscsiNodes, TgtBackend, in_charge

MANY = 2_000
LANES = 16


def request(number: int) -> ExportRequest:
    handle = f"att-{number:05d}"
    return ExportRequest(
        handle=handle,
        volume=BackendVolume(handle=f"vol-{number:05d}", size=1 << 20),
        connector={"initiator": f"{NODE}-{number}"},
        access_mode=AccessMode.READ_WRITE,
        credentials=Credentials(username=handle, password=PASSWORD),
    )


class Crowd:
    """A driver with its exports."""

    def __init__(self, driver: IscsiTgtDriver) -> None:
        self.driver = driver
        self.infos: dict[int, ConnectionInfo] = {}

    async def attach(self, number: int) -> None:
        wanted = request(number)
        await self.driver.create_volume(wanted.volume)
        self.infos[number] = await self.driver.create_export(wanted)

    async def grow(self, count: int) -> None:
        numbers = iter(range(count))

        async def lane() -> None:
            for number in numbers:
                await self.attach(number)

        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(lane())


@pytest_asyncio.fixture
async def crowd(tmp_path: Path) -> AsyncIterator[Crowd]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # What a service begins with on most systems; each target takes one.
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    backend = TgtBackend(tmp_path / "data")
    try:
        yield Crowd(await in_charge(backend, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        await backend.close()


async def test_every_one_of_2000_exports_is_real_and_is_removed_alone(crowd: Crowd) -> None:
    await crowd.grow(MANY)
    driver, nodes = crowd.driver, IscsiNodes()
    listing = await driver.list_exports()
    assert sum(export.complete for export in listing.ours.values()) == MANY
    assert {e.initiator for e in listing.ours.values()} == {f"{NODE}-{number}" for number in range(MANY)}
    first, middle, last = 0, MANY // 2, MANY - 1
    for number in (first, middle, last):
        wanted, info = request(number), crowd.infos[number]
        assert await nodes.write(info, wanted.credentials, f"{NODE}-{number}", 0x30 + number % 7)
        assert await nodes.reads(info, wanted.credentials, f"{NODE}-{number}", 0x30 + number % 7)
        assert not await nodes.can_login(info, wanted.credentials, OTHER_NODE)
    gone = request(middle)
    await driver.remove_export(gone.handle)
    assert not await nodes.can_login(crowd.infos[middle], gone.credentials, f"{NODE}-{middle}")
    assert (await driver.list_exports()).ours.keys() == listing.ours.keys() - {gone.handle}
    await crowd.attach(middle)
    assert await nodes.reads(crowd.infos[middle], gone.credentials, f"{NODE}-{middle}", 0x30 + middle % 7)
