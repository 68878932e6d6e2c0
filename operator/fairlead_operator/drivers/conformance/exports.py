"""Rules about exports: made, made again, read back, listed, removed."""

import asyncio
import logging
import uuid

import pytest

from fairlead_operator.drivers.base import AccessMode, BackendVolume, Driver, DriverError
from fairlead_operator.drivers.conformance.bench import MIB, OTHER_PASSWORD, PASSWORD, Bench, DriverFactory
from fairlead_operator.drivers.conformance.faults import Faults
from fairlead_operator.drivers.conformance.nodes import NodeProbe


class ExportRules(Bench):
    """Exports in the ordinary course."""

    async def test_an_export_reads_back_as_it_was_made(self, driver: Driver, volume: BackendVolume) -> None:
        """Alone and in the list."""
        request = self.request(volume, node=4)
        assert await driver.get_export(request.handle) is None
        await driver.create_export(request)
        export = await self.whole(driver, request)
        assert export.volume_handle == volume.handle
        assert export.initiator == self.initiator(4)
        assert export.access_mode is AccessMode.READ_WRITE
        assert export.sessions == ()
        assert (await driver.list_exports()).ours == {request.handle: export}

    async def test_making_an_export_again_disturbs_nobody(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """The same answer, and the node's session is the same."""
        request = self.request(volume)
        info = await driver.create_export(request)
        async with probe.session(info, request.credentials, self.initiator(1)) as node:
            assert await node.write(0x51)
            before = await self.whole(driver, request)
            assert [session.initiator for session in before.sessions] == [self.initiator(1)]
            assert await driver.create_export(request) == info
            assert await self.whole(driver, request) == before
            assert await node.write(0x52)

    async def test_who_is_logged_in_is_seen_for_as_long_as_somebody_is(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """Also when another session of the same node comes and goes."""
        if not driver.capabilities.sees_sessions:
            pytest.skip("the driver does not declare it")
        request, initiator = self.request(volume), self.initiator(1)
        info = await driver.create_export(request)
        async with probe.session(info, request.credentials, initiator) as node:
            assert await node.write(0x53)
            assert await probe.reads(info, request.credentials, initiator, 0x53)
            assert initiator in {session.initiator for session in (await self.whole(driver, request)).sessions}
            assert await node.write(0x54)

    async def test_a_target_s_name_comes_from_the_handle_alone(self, driver: Driver, volume: BackendVolume) -> None:
        """So that it is the same after a restore, and never somebody else's."""
        other = BackendVolume(handle=f"vol-{uuid.uuid4()}", size=MIB)
        await driver.create_volume(other)
        handle = f"att-{uuid.uuid4()}"
        first = await driver.create_export(self.request(volume, handle=handle))
        again = await driver.create_export(self.request(other, handle=handle, node=2, password=OTHER_PASSWORD))
        neighbour = await driver.create_export(self.request(volume))
        assert again == first
        assert neighbour != first
        assert (await self.export_of(driver, handle)).volume_handle == other.handle

    async def test_a_target_s_name_is_never_used_again_for_another(
        self, driver: Driver, driver_factory: DriverFactory, volume: BackendVolume
    ) -> None:
        """A node that still tries the old name must never find another's export there.

        One after another, so that whatever a removal frees would be free for the next; then in reverse order by another
        process, which knows nothing of the first and must come to the same names.
        """
        requests = [self.request(volume) for _ in range(4)]
        known: dict[str, str] = {}
        for request in requests:
            known[request.handle] = self.target_name(await driver.create_export(request))
            await driver.remove_export(request.handle)
        async with self.successor(driver_factory, 2) as successor:
            for request in (self.request(volume), *reversed(requests)):
                name = self.target_name(await successor.create_export(request))
                assert known.setdefault(request.handle, name) == name
                await successor.remove_export(request.handle)
        assert len(set(known.values())) == len(known)

    async def test_another_node_or_password_replaces_the_former(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """One handle never admits two."""
        former = self.request(volume)
        info = await driver.create_export(former)
        moved = self.request(volume, handle=former.handle, node=2)
        await driver.create_export(moved)
        assert not await probe.can_login(info, former.credentials, self.initiator(1))
        assert await probe.can_login(info, moved.credentials, self.initiator(2))
        changed = self.request(volume, handle=former.handle, node=2, password=OTHER_PASSWORD)
        await driver.create_export(changed)
        assert not await probe.can_login(info, moved.credentials, self.initiator(2))
        assert await probe.can_login(info, changed.credentials, self.initiator(2))

    async def test_the_list_tells_ours_from_foreign(self, driver: Driver, volume: BackendVolume) -> None:
        """Foreign ones are named and left alone."""
        name = await self.make_foreign(driver)
        request = self.request(volume)
        await driver.create_export(request)
        await driver.remove_export(request.handle)
        listing = await driver.list_exports()
        assert listing.ours == {}
        assert list(listing.foreign) == [name]

    async def test_many_exports_at_once(self, driver: Driver, volume: BackendVolume) -> None:
        """Made, read, made again and removed side by side."""
        requests = [self.request(volume, node=number) for number in range(12)]
        await asyncio.gather(*(driver.create_export(request) for request in requests))
        exports = await asyncio.gather(*(driver.get_export(request.handle) for request in requests))
        assert [export.initiator for export in exports if export and export.complete] == [
            self.initiator(number) for number in range(12)
        ]
        await asyncio.gather(
            *(driver.create_export(request) for request in requests[:6]),
            *(driver.remove_export(request.handle) for request in requests[6:]),
        )
        assert set((await driver.list_exports()).ours) == {request.handle for request in requests[:6]}

    async def test_removing_what_is_not_there_succeeds(self, driver: Driver, volume: BackendVolume) -> None:
        """Never made, or removed already."""
        await driver.remove_export("att-never-made")
        request = self.request(volume)
        await driver.create_export(request)
        await driver.remove_export(request.handle)
        await driver.remove_export(request.handle)
        assert await driver.get_export(request.handle) is None
        assert (await driver.list_exports()).ours == {}

    async def test_removal_cuts_off_a_node_that_will_not_leave(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """It reconnects in a loop; what it writes after the removal never reaches the volume."""
        request = self.request(volume)
        info = await driver.create_export(request)
        watcher = self.request(volume, node=2)
        async with probe.session(info, request.credentials, self.initiator(1)) as node:
            assert await node.write(0x61)
            ended = await driver.remove_export(request.handle)
            if driver.capabilities.sees_sessions:
                assert {session.initiator for session in ended} == {self.initiator(1)}
            assert not await driver.remove_export(request.handle)
            await node.begin_write(0x62)
            assert await driver.get_export(request.handle) is None
            assert not await probe.can_login(info, request.credentials, self.initiator(1))
            view = await driver.create_export(watcher)
            assert await probe.reads(view, watcher.credentials, self.initiator(2), 0x61)
            # The same handle for another node: the former one still tries, and still is not let in.
            moved = self.request(volume, handle=request.handle, node=3)
            await driver.create_export(moved)
            assert await probe.reads(info, moved.credentials, self.initiator(3), 0x61)
            assert all(s.initiator != self.initiator(1) for s in (await self.whole(driver, moved)).sessions)

    async def test_the_password_is_nowhere_to_be_read(
        self, driver: Driver, volume: BackendVolume, caplog: pytest.LogCaptureFixture, faults: Faults
    ) -> None:
        """Not in what is returned, shown, logged, nor in an error."""
        caplog.set_level(logging.DEBUG)
        request = self.request(volume)
        seen = [repr(driver), repr(request), repr(await driver.create_export(request))]
        seen.append(repr(await driver.get_export(request.handle)) + repr(await driver.list_exports()))
        bad = [
            self.request(BackendVolume(handle="vol-never-made", size=MIB)),
            self.request(volume, password=f"{PASSWORD}\n{PASSWORD}"),
        ]
        for attempt in bad:
            with pytest.raises(DriverError) as caught:
                await driver.create_export(attempt)
            seen.append(f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}")
        for text in [*seen, caplog.text]:
            assert PASSWORD not in text
