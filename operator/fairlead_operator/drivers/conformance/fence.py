"""Rules about deposed holders, successors and a daemon that restarts."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fairlead_operator.drivers.base import BackendVolume, Driver, Fenced
from fairlead_operator.drivers.conformance.bench import MIB, Bench, DriverFactory
from fairlead_operator.drivers.conformance.nodes import NodeProbe


class FenceRules(Bench):
    """Who may act, and what nodes notice of a change."""

    async def test_a_fenced_instance_can_do_nothing_more(
        self, driver: Driver, driver_factory: DriverFactory, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """Every call that changes something fails, changes nothing, and the nodes notice nothing."""
        request, another = self.request(volume), self.request(volume, node=2)
        info = await driver.create_export(request)
        async with probe.session(info, request.credentials, self.initiator(1)) as node:
            assert await node.write(0x71)
            async with self.successor(driver_factory, 2) as successor:
                assert successor.generation == driver.generation
                before = (await successor.list_exports()).ours
                assert [s.initiator for s in before[request.handle].sessions] == [self.initiator(1)]
                new = BackendVolume(handle=f"vol-{uuid.uuid4()}", size=MIB)
                grown = BackendVolume(handle=volume.handle, size=volume.size * 2)
                attempts: list[Callable[[], Awaitable[Any]]] = [
                    driver.check,
                    lambda: driver.create_volume(new),
                    lambda: driver.extend_volume(grown),
                    lambda: driver.delete_volume(volume.handle),
                    lambda: driver.create_export(another),
                    lambda: driver.create_export(request),
                    lambda: driver.remove_export(request.handle),
                ]
                for attempt in attempts:
                    with pytest.raises(Fenced):
                        await attempt()
                assert (await successor.list_exports()).ours == before
                assert await successor.volume_size(volume.handle) == volume.size
                assert await successor.volume_size(new.handle) is None
                assert await node.write(0x72)

    async def test_a_fence_may_be_repeated(self, driver: Driver, volume: BackendVolume) -> None:
        """By the same holder, who does not know whether it worked."""
        request = self.request(volume)
        await driver.create_export(request)
        await driver.fence(self.epoch(1))
        await driver.check()
        await self.whole(driver, request)

    async def test_a_successor_disturbs_nobody(
        self, driver: Driver, driver_factory: DriverFactory, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """An operator that comes after a crash makes every export again and no node notices."""
        request = self.request(volume)
        info = await driver.create_export(request)
        async with probe.session(info, request.credentials, self.initiator(1)) as node:
            assert await node.write(0x73)
            before = await self.whole(driver, request)
            async with self.successor(driver_factory, 2) as successor:
                assert await successor.create_export(request) == info
                assert await self.whole(successor, request) == before
                assert await node.write(0x74)

    async def test_after_a_restart_of_the_daemon_nodes_go_on(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """The generation changes; exports made again have the same name and accept the same credentials."""
        request = self.request(volume)
        info = await driver.create_export(request)
        async with probe.session(info, request.credentials, self.initiator(1)) as node:
            assert await node.write(0x81)
            generation = driver.generation
            await self.restart_daemon(driver)
            async with asyncio.timeout(15):
                while driver.generation == generation:  # noqa: ASYNC110 - the contract has no event for it
                    await asyncio.sleep(0.005)
            assert await driver.create_export(request) == info
            assert await node.write(0x82)
        assert await probe.reads(info, request.credentials, self.initiator(1), 0x82)
