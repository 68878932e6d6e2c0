"""Rules about crashes at any step."""

import pytest

from fairlead_operator.drivers.base import BackendVolume, Credentials, Driver
from fairlead_operator.drivers.conformance.bench import OTHER_PASSWORD, Bench
from fairlead_operator.drivers.conformance.faults import Faults
from fairlead_operator.drivers.conformance.nodes import NodeProbe
from fairlead_operator.faultpoints import InjectedFault


class CrashRules(Bench):
    """A repeat by another process completes what a crash left."""

    async def test_a_crash_while_making_lets_nobody_in_and_a_repeat_completes(
        self,
        driver: Driver,
        volume: BackendVolume,
        probe: NodeProbe,
        faults: Faults,
        create_fault_point: str,
    ) -> None:
        """At every step. The repeat is another process's: it knows nothing of the first."""
        request = self.request(volume)
        faults.arm(create_fault_point)
        with pytest.raises(InjectedFault):
            await driver.create_export(request)
        info = await self.info_elsewhere(driver, volume)
        info = self.same_info_for(info, request.handle)
        wrong = Credentials(username=request.handle, password=OTHER_PASSWORD)
        for credentials, node in ((None, 1), (wrong, 1), (request.credentials, 2), (None, 2)):
            assert not await probe.can_login(info, credentials, self.initiator(node))
        half = await driver.get_export(request.handle)
        assert half is None or not half.complete or create_fault_point == self.create_fault_points[-1]
        assert await driver.create_export(request) == info
        await self.whole(driver, request)
        await self.assert_only(probe, info, request.credentials, wrong)

    async def test_a_crash_while_removing_lets_nobody_in_and_a_repeat_completes(
        self,
        driver: Driver,
        volume: BackendVolume,
        probe: NodeProbe,
        faults: Faults,
        remove_fault_point: str,
    ) -> None:
        """At every step, and the export can be made again afterwards."""
        request = self.request(volume)
        info = await driver.create_export(request)
        faults.arm(remove_fault_point)
        with pytest.raises(InjectedFault):
            await driver.remove_export(request.handle)
        assert not await probe.can_login(info, request.credentials, self.initiator(1))
        half = await driver.get_export(request.handle)
        assert half is None or not half.complete
        await driver.remove_export(request.handle)
        assert await driver.get_export(request.handle) is None
        await driver.create_export(request)
        assert await probe.can_login(info, request.credentials, self.initiator(1))
