"""The workbench of the conformance suite: fixtures, requests, and what several of its parts assert."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_asyncio

from fairlead_operator import faultpoints
from fairlead_operator.drivers.base import (
    AccessMode,
    BackendVolume,
    ConnectionInfo,
    Credentials,
    Driver,
    Export,
    ExportRequest,
)
from fairlead_operator.drivers.conformance.faults import Faults
from fairlead_operator.drivers.conformance.nodes import NodeProbe

MIB = 1024 * 1024
PASSWORD = "Conformance-pass1"  # noqa: S105
OTHER_PASSWORD = "Another-passw0rd"  # noqa: S105

DriverFactory = Callable[[], Driver]


class Bench:
    """What every part of the suite uses. A subclass gives `driver_factory` and `probe` and overrides what differs."""

    create_fault_points: ClassVar[Sequence[str]] = ()
    """The driver's fault points in `create_export`, in order; the last one may be where the export is whole."""
    remove_fault_points: ClassVar[Sequence[str]] = ()
    """The same in `remove_export`."""

    @pytest.fixture
    def driver_factory(self) -> DriverFactory:
        """Instances for one fresh backend, each as another operator process would build it. Ends it afterwards."""
        raise NotImplementedError

    @pytest.fixture
    def probe(self) -> NodeProbe:
        """Real nodes."""
        raise NotImplementedError

    def connector(self, number: int) -> dict[str, Any]:
        """What node `number` says of itself."""
        return {"initiator": self.initiator(number), "host": f"node-{number}", "ip": "127.0.0.1", "multipath": False}

    def initiator(self, number: int) -> str:
        """The identity of that node."""
        return f"iqn.2026-11.dev.fairlead.test:node-{number}"

    def bad_connectors(self) -> Sequence[tuple[Mapping[str, Any], str]]:
        """Connectors that must be refused, each with the key that is to blame."""
        return [
            ({}, "initiator"),
            ({"host": "node-1"}, "initiator"),
            ({"initiator": None}, "initiator"),
            ({"initiator": ""}, "initiator"),
            ({"initiator": "not an initiator"}, "initiator"),
        ]

    def target_name(self, info: ConnectionInfo) -> str:
        """The name by which nodes know an export. Override for another protocol than iSCSI."""
        name = info.data["target_iqn"]
        assert isinstance(name, str)
        return name

    async def restart_daemon(self, driver: Driver) -> None:
        """Kill the backend's daemon as a crash would. Override, or the tests of it are skipped."""
        pytest.skip("the backend has no daemon that could restart")

    async def make_foreign(self, driver: Driver) -> str:
        """Make an export behind the driver's back and return its name. Override, or the test of it is skipped."""
        pytest.skip("there is no way to make a foreign export")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each fault point."""
        for name in ("create_fault_point", "remove_fault_point"):
            if name in metafunc.fixturenames:
                metafunc.parametrize(name, getattr(type(self), f"{name}s"))

    @pytest.fixture
    def faults(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
        """This process's fault points, none armed."""
        folder = tmp_path / "faults"
        folder.mkdir()
        monkeypatch.setattr(faultpoints, "_FOLDER", str(folder))
        return Faults(folder)

    @pytest_asyncio.fixture
    async def driver(self, driver_factory: DriverFactory) -> AsyncIterator[Driver]:
        """A driver in charge of the backend."""
        driver = driver_factory()
        await driver.start()
        await driver.fence(self.epoch(1))
        yield driver
        await driver.stop()

    @pytest_asyncio.fixture
    async def volume(self, driver: Driver) -> BackendVolume:
        """A volume of 8 MiB."""
        volume = BackendVolume(handle=f"vol-{uuid.uuid4()}", size=8 * MIB)
        await driver.create_volume(volume)
        return volume

    @staticmethod
    def epoch(number: int) -> str:
        """Epochs in the form that can be ordered."""
        return f"{number:08d}-conformance"

    def request(
        self,
        volume: BackendVolume,
        *,
        handle: str | None = None,
        node: int = 1,
        password: str = PASSWORD,
        mode: AccessMode = AccessMode.READ_WRITE,
    ) -> ExportRequest:
        """An export of that volume to a node, with a handle of its own unless one is given."""
        handle = handle or f"att-{uuid.uuid4()}"
        return ExportRequest(
            handle=handle,
            volume=volume,
            connector=self.connector(node),
            access_mode=mode,
            credentials=Credentials(username=handle, password=password),
        )

    async def assert_only(
        self, probe: NodeProbe, info: ConnectionInfo, right: Credentials, wrong: Credentials, node: int = 1
    ) -> None:
        """The right node with the right password gets in; three others do not."""
        assert await probe.can_login(info, right, self.initiator(node))
        assert not await probe.can_login(info, wrong, self.initiator(node))
        assert not await probe.can_login(info, None, self.initiator(node))
        assert not await probe.can_login(info, right, self.initiator(node + 90))

    async def whole(self, driver: Driver, request: ExportRequest) -> Export:
        """The export as read back, which must be complete."""
        export = await self.export_of(driver, request.handle)
        assert export.complete
        return export

    async def export_of(self, driver: Driver, handle: str) -> Export:
        """The export as read back, which must be there."""
        export = await driver.get_export(handle)
        assert export is not None
        return export

    @contextlib.asynccontextmanager
    async def successor(self, driver_factory: DriverFactory, number: int) -> AsyncIterator[Driver]:
        """Another operator's instance, which has begun its own epoch."""
        successor = driver_factory()
        await successor.start()
        await successor.fence(self.epoch(number))
        try:
            yield successor
        finally:
            await successor.stop()

    async def info_elsewhere(self, driver: Driver, volume: BackendVolume) -> ConnectionInfo:
        """Connection data of some other export, to learn how this backend is reached."""
        request = self.request(volume, node=50)
        info = await driver.create_export(request)
        await driver.remove_export(request.handle)
        return ConnectionInfo(
            driver_volume_type=info.driver_volume_type,
            data={
                key: value.replace(request.handle, "{handle}") if isinstance(value, str) else value
                for key, value in info.data.items()
            },
        )

    @staticmethod
    def same_info_for(info: ConnectionInfo, handle: str) -> ConnectionInfo:
        """The connection data that an export of that handle has, made or not: names derive from it alone."""
        return ConnectionInfo(
            driver_volume_type=info.driver_volume_type,
            data={
                key: value.replace("{handle}", handle) if isinstance(value, str) else value
                for key, value in info.data.items()
            },
        )
