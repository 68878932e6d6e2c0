"""The driver record by the suite that every driver passes, as far as that needs no node: nothing is exported."""

from pathlib import Path

import pytest

from fairlead_operator.drivers.base import BackendVolume, ConnectionInfo, Driver, Fenced
from fairlead_operator.drivers.conformance import DriverConformance, DriverFactory, NodeProbe
from fairlead_operator.drivers.record import PROTOCOL, RecordDriver, RecordParameters

CONSENT = "iUnderstandThatNothingIsExported"


class TestConformance(DriverConformance):
    create_fault_points = ("record.create.before-note",)
    remove_fault_points = ("record.remove.before-note",)

    @pytest.fixture
    def driver_factory(self, tmp_path: Path) -> DriverFactory:
        parameters = {"dataDir": str(tmp_path / "data"), CONSENT: True}
        return lambda: RecordDriver(backend="paper", parameters=parameters)

    @pytest.fixture
    def probe(self) -> NodeProbe:
        pytest.skip("no node can reach what is not exported")

    def target_name(self, info: ConnectionInfo) -> str:
        return str(info.data["export"])

    async def test_a_deposed_holder_notes_nothing_more(
        self, driver: Driver, driver_factory: DriverFactory, volume: BackendVolume
    ) -> None:
        request = self.request(volume)
        await driver.create_export(request)
        async with self.successor(driver_factory, 2) as successor:
            for attempt in (
                driver.check(),
                driver.create_export(self.request(volume)),
                driver.remove_export(request.handle),
                driver.delete_volume(volume.handle),
                driver.fence(self.epoch(1)),
            ):
                with pytest.raises(Fenced):
                    await attempt
            assert set((await successor.list_exports()).ours) == {request.handle}

    async def test_another_process_knows_what_was_noted(
        self, driver: Driver, driver_factory: DriverFactory, volume: BackendVolume
    ) -> None:
        kept, removed = self.request(volume), self.request(volume, node=2)
        for request in (kept, removed):
            await driver.create_export(request)
        await driver.remove_export(removed.handle)
        await driver.extend_volume(BackendVolume(handle=volume.handle, size=2 * volume.size))
        noted = await driver.get_export(kept.handle)
        async with self.successor(driver_factory, 2) as successor:
            assert (await successor.list_exports()).ours == {kept.handle: noted}
            assert await successor.volume_size(volume.handle) == 2 * volume.size
            assert await successor.stats() == await driver.stats()
        async with self.successor(driver_factory, 3) as successor:
            assert (await successor.list_exports()).ours == {kept.handle: noted}

    async def test_a_line_cut_short_by_a_crash_is_passed_over(
        self, driver: Driver, driver_factory: DriverFactory, volume: BackendVolume, tmp_path: Path
    ) -> None:
        request = self.request(volume)
        await driver.create_export(request)
        (notes,) = (tmp_path / "data").glob("exports.*")
        with notes.open("a") as file:
            file.write('{"export": "att-')
        async with self.successor(driver_factory, 2) as successor:
            assert set((await successor.list_exports()).ours) == {request.handle}

    async def test_no_node_can_take_the_answer_for_a_protocol(self, driver: Driver, volume: BackendVolume) -> None:
        info = await driver.create_export(self.request(volume))
        assert info.driver_volume_type == PROTOCOL == "fairlead-record"
        assert info.data["nothing_is_exported"] is True
        assert not {"target_portal", "target_iqn", "target_lun", "auth_method"} & info.data.keys()


@pytest.mark.parametrize("consent", [{}, {CONSENT: False}, {CONSENT: 1}, {CONSENT: "true"}])
def test_it_is_not_used_by_accident(consent: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=CONSENT):
        RecordParameters.model_validate({"dataDir": "/data", **consent})
