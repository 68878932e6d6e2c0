"""Fairlead as it is measured: a control plane of its own, one operator, one facade, one Backend on a real tgtd."""

from collections.abc import Mapping
from pathlib import Path

from fairlead_bench.place import StackPlace
from fairlead_devstack.api_client import connect
from fairlead_devstack.stack import wait_for_backend
from fairlead_operator.drivers import tgt_process

BACKEND = "local"


class Installation(StackPlace):
    """With the chart's options."""

    def _furnish(self) -> None:
        self.stack.add_backend(BACKEND, default=True)
        # The development stack's own operators say more.
        self.stack.start_operator(options=("--log-level", "INFO"))
        self.stack.start_facade()
        with connect(self.control_plane.kubeconfig) as api:
            wait_for_backend(api, BACKEND)

    @property
    def url(self) -> str:
        """The root of the attachments API."""
        return f"{self.stack.facade_url}/v3"

    @property
    def run_folder(self) -> Path:
        """Where tgtd works."""
        return self.stack.data_dirs[BACKEND] / "run"

    def pids(self) -> Mapping[str, list[int]]:
        """The processes by their part; tgtd, which descends from the operator, before that one."""
        return {"tgtd": tgt_process.find_running(self.run_folder), **super().pids()}
