"""A backend for each test, a driver in charge of it, and the fault points of this process."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead_devstack.scratch import ScratchFolder
from fairlead_operator import faultpoints
from fairlead_operator.drivers.conformance import Faults
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from iscsi_bench import TgtBackend, in_charge


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder of the kind whose abandonment is noticed: tgtd outlives whoever starts it, a killed test run too."""
    with ScratchFolder("tgt") as scratch:
        yield scratch.path


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[TgtBackend]:
    backend = TgtBackend(tmp_path / "data", nodeTimeoutSeconds=4)
    yield backend
    await backend.close()


@pytest_asyncio.fixture
async def driver(backend: TgtBackend) -> IscsiTgtDriver:
    return await in_charge(backend, 1)


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setattr(faultpoints, "_FOLDER", str(folder))
    return Faults(folder)
