"""What every driver must do, as tests: subclass `DriverConformance` in a test module and give it its fixtures.

    class TestMyDriver(DriverConformance):
        create_fault_points = ("my.create.after-lun", ...)

        @pytest.fixture
        def driver_factory(self, tmp_path): ...

        @pytest.fixture
        def probe(self): ...

The tests run against a real backend and real nodes. They need pytest with pytest-asyncio in its automatic mode, which
are no dependencies of the operator: nothing of it imports this module. Source of the rules: `drivers.base`.
"""

from fairlead_operator.drivers.conformance.access import AccessRules
from fairlead_operator.drivers.conformance.bench import DriverFactory
from fairlead_operator.drivers.conformance.crashes import CrashRules
from fairlead_operator.drivers.conformance.exports import ExportRules
from fairlead_operator.drivers.conformance.faults import Faults
from fairlead_operator.drivers.conformance.fence import FenceRules
from fairlead_operator.drivers.conformance.nodes import NodeProbe, NodeSession
from fairlead_operator.drivers.conformance.volumes import VolumeRules


class DriverConformance(VolumeRules, AccessRules, ExportRules, CrashRules, FenceRules):
    """The whole suite."""


__all__ = ["DriverConformance", "DriverFactory", "Faults", "NodeProbe", "NodeSession"]
