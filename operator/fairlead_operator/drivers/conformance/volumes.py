"""Rules about volumes."""

import pytest

from fairlead_operator.drivers.base import BackendVolume, Driver, DriverError, OutOfSpace
from fairlead_operator.drivers.conformance.bench import MIB, Bench
from fairlead_operator.drivers.conformance.nodes import NodeProbe


class VolumeRules(Bench):
    """Making, growing, deleting."""

    async def test_a_volume_has_the_size_it_was_made_with(self, driver: Driver, volume: BackendVolume) -> None:
        """And one that was never made has none."""
        assert await driver.volume_size(volume.handle) == volume.size
        assert await driver.volume_size("vol-never-made") is None

    async def test_making_a_volume_again_keeps_its_data(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """Also with another size: what is there stays as it is."""
        request = self.request(volume)
        info = await driver.create_export(request)
        assert await probe.write(info, request.credentials, self.initiator(1), 0x5A)
        for size in (volume.size, volume.size // 2, volume.size * 2):
            await driver.create_volume(BackendVolume(handle=volume.handle, size=size))
        assert await driver.volume_size(volume.handle) == volume.size
        assert await probe.reads(info, request.credentials, self.initiator(1), 0x5A)

    async def test_a_volume_grows_and_never_shrinks(self, driver: Driver, volume: BackendVolume) -> None:
        """However often and in whatever order the calls come."""
        if not driver.capabilities.extend:
            pytest.skip("the driver does not declare it")
        larger = BackendVolume(handle=volume.handle, size=volume.size * 2)
        for step in (larger, larger, volume):
            await driver.extend_volume(step)
            assert await driver.volume_size(volume.handle) == larger.size

    async def test_a_volume_that_is_not_there_cannot_grow(self, driver: Driver) -> None:
        """It is not made by the way."""
        if not driver.capabilities.extend:
            pytest.skip("the driver does not declare it")
        with pytest.raises(DriverError):
            await driver.extend_volume(BackendVolume(handle="vol-never-made", size=MIB))
        assert await driver.volume_size("vol-never-made") is None

    async def test_a_volume_larger_than_the_backend_is_refused(self, driver: Driver) -> None:
        """And leaves nothing behind."""
        stats = await driver.stats()
        assert 0 < stats.free <= stats.total
        with pytest.raises(OutOfSpace):
            await driver.create_volume(BackendVolume(handle="vol-too-large", size=stats.total + 1024 * MIB))
        assert await driver.volume_size("vol-too-large") is None

    async def test_deleting_a_volume_twice_succeeds(self, driver: Driver, volume: BackendVolume) -> None:
        """Absent is success."""
        await driver.delete_volume(volume.handle)
        await driver.delete_volume(volume.handle)
        assert await driver.volume_size(volume.handle) is None

    async def test_an_exported_volume_is_not_deleted(self, driver: Driver, volume: BackendVolume) -> None:
        """Until its last export is gone."""
        request = self.request(volume)
        await driver.create_export(request)
        with pytest.raises(DriverError):
            await driver.delete_volume(volume.handle)
        assert await driver.volume_size(volume.handle) == volume.size
        await driver.remove_export(request.handle)
        await driver.delete_volume(volume.handle)
        assert await driver.volume_size(volume.handle) is None
