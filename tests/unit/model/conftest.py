"""What every test in the simulated world needs."""

import pytest

from fairlead_operator import attachments, registry, unplaced, volumes, worker
from unit.model import world
from unit.model.virtual_time import LoopClock


@pytest.fixture
def simulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock, and the driver among the installed ones: the two places where the operator asks the machine itself."""
    monkeypatch.setattr(registry, "entry_points", lambda group: [world.DRIVER])
    for module in (attachments, volumes, worker, unplaced):
        monkeypatch.setattr(module, "datetime", LoopClock)
