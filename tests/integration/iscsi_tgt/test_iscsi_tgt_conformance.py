"""The driver iscsi-tgt on a real tgtd with real nodes, by the suite that every driver passes.

What is tgtd's own is in the modules beside this one.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead_operator.drivers import tgt_protocol
from fairlead_operator.drivers.base import Driver
from fairlead_operator.drivers.conformance import DriverConformance, DriverFactory
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from iscsi_bench import IscsiNodes, TgtBackend, kill_daemon


class TestConformance(DriverConformance):
    create_fault_points = (
        "tgt.create.after-target",
        "tgt.create.after-lun",
        "tgt.create.after-account",
        "tgt.create.after-bind",
        "tgt.create.after-initiator",
    )
    remove_fault_points = (
        "tgt.remove.after-unbind",
        "tgt.remove.after-sessions",
        "tgt.remove.after-target",
        "tgt.remove.after-account",
    )

    @pytest_asyncio.fixture
    async def driver_factory(self, tmp_path: Path) -> AsyncIterator[DriverFactory]:
        backend = TgtBackend(tmp_path / "data", nodeTimeoutSeconds=4)
        yield backend.driver
        await backend.close()

    @pytest.fixture
    def probe(self) -> IscsiNodes:
        return IscsiNodes()

    async def restart_daemon(self, driver: Driver) -> None:
        assert isinstance(driver, IscsiTgtDriver)
        kill_daemon(driver)

    async def make_foreign(self, driver: Driver) -> str:
        assert isinstance(driver, IscsiTgtDriver)
        name = "iqn.2026-11.org.example:not-ours"
        await driver._daemon.call(tgt_protocol.target_new(7, name))
        return name
