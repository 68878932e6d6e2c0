"""Rules about who gets in."""

import pytest

from fairlead_operator.drivers.base import (
    AccessMode,
    BackendVolume,
    Credentials,
    Driver,
    ExportRequest,
    IncompleteConnector,
)
from fairlead_operator.drivers.conformance.bench import OTHER_PASSWORD, PASSWORD, Bench, DriverFactory
from fairlead_operator.drivers.conformance.nodes import NodeProbe


class AccessRules(Bench):
    """The right node with the right password, and nobody else."""

    def test_the_connector_names_the_initiator(self, driver_factory: DriverFactory) -> None:
        """Without any I/O."""
        assert driver_factory().validate_connector(self.connector(3)) == self.initiator(3)

    async def test_an_incomplete_connector_is_refused(self, driver: Driver, volume: BackendVolume) -> None:
        """By the key that is missing, also when it is there and says nothing."""
        for connector, key in self.bad_connectors():
            with pytest.raises(IncompleteConnector) as caught:
                driver.validate_connector(connector)
            assert caught.value.key == key
            handle = "att-incomplete"
            with pytest.raises(IncompleteConnector):
                await driver.create_export(
                    ExportRequest(
                        handle=handle,
                        volume=volume,
                        connector=connector,
                        access_mode=AccessMode.READ_WRITE,
                        credentials=Credentials(username=handle, password=PASSWORD),
                    )
                )
            assert await driver.get_export(handle) is None

    async def test_the_admitted_node_reads_what_it_wrote(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """The main thing."""
        request = self.request(volume)
        info = await driver.create_export(request)
        assert info.driver_volume_type == driver.capabilities.protocol
        assert await probe.write(info, request.credentials, self.initiator(1), 0x21)
        assert await probe.reads(info, request.credentials, self.initiator(1), 0x21)
        assert not await probe.reads(info, request.credentials, self.initiator(1), 0x22)

    async def test_nobody_else_gets_in(self, driver: Driver, volume: BackendVolume, probe: NodeProbe) -> None:
        """Not with another password, none, another export's, and not as another node."""
        request = self.request(volume)
        neighbour = self.request(volume, node=2, password=OTHER_PASSWORD)
        info = await driver.create_export(request)
        await driver.create_export(neighbour)
        wrong = Credentials(username=request.handle, password=OTHER_PASSWORD)
        await self.assert_only(probe, info, request.credentials, wrong)
        assert not await probe.can_login(info, neighbour.credentials, self.initiator(1))
        assert not await probe.can_login(info, neighbour.credentials, self.initiator(2))

    async def test_a_read_only_export_refuses_writes(
        self, driver: Driver, volume: BackendVolume, probe: NodeProbe
    ) -> None:
        """And the mode may be changed, both ways."""
        request = self.request(volume, mode=AccessMode.READ_ONLY)
        initiator = self.initiator(1)
        info = await driver.create_export(request)
        assert await probe.reads(info, request.credentials, initiator, 0)
        assert not await probe.write(info, request.credentials, initiator, 0x31)
        assert await probe.reads(info, request.credentials, initiator, 0)
        assert (await self.whole(driver, request)).access_mode is AccessMode.READ_ONLY
        await driver.create_export(self.request(volume, handle=request.handle))
        assert await probe.write(info, request.credentials, initiator, 0x32)
        await driver.create_export(request)
        assert not await probe.write(info, request.credentials, initiator, 0x33)

    async def test_several_nodes_share_a_volume(self, driver: Driver, volume: BackendVolume, probe: NodeProbe) -> None:
        """Each by an export of its own, and the loss of one does not touch the others."""
        if not driver.capabilities.multi_attach:
            pytest.skip("the driver does not declare it")
        one, other = self.request(volume), self.request(volume, node=2)
        first, second = await driver.create_export(one), await driver.create_export(other)
        assert await probe.write(first, one.credentials, self.initiator(1), 0x41)
        assert await probe.reads(second, other.credentials, self.initiator(2), 0x41)
        await driver.remove_export(one.handle)
        assert await probe.write(second, other.credentials, self.initiator(2), 0x42)
