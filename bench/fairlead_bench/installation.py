"""Fairlead as it is measured: a control plane of its own, one operator, one facade, one Backend on a real tgtd."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from fairlead_devstack.api_client import connect
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.stack import Stack, wait_for_backend
from fairlead_operator.drivers import tgt_process

BACKEND = "local"


class Installation:
    """A context manager; leaves nothing behind. Leases and sweeps have the times that a cluster would have.

    Attributes:
        url: of the attachments API.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.control_plane = ControlPlane()
        self.stack = Stack(self.control_plane, folder, lease_duration=15.0)

    def __enter__(self) -> Self:
        try:
            self.control_plane.start()
            self.stack.install()
            self.stack.add_backend(BACKEND, default=True)
            # As in a cluster; the development stack's own operators say more.
            self.stack.start_operator(options=("--log-level", "INFO"))
            self.stack.start_facade(options=("--log-level", "warning"))
            with connect(self.control_plane.kubeconfig) as api:
                wait_for_backend(api, BACKEND)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End everything."""
        self.stack.stop()
        self.control_plane.stop()

    @property
    def url(self) -> str:
        """The root of the attachments API."""
        return f"{self.stack.facade_url}/v3"

    @property
    def run_folder(self) -> Path:
        """Where tgtd works."""
        return self.stack.data_dirs[BACKEND] / "run"

    def pids(self) -> Mapping[str, list[int]]:
        """The processes by their part. tgtd descends from the operator as long as that one lives."""
        daemons = tgt_process.find_running(self.run_folder)
        own = {name: [component.pid] for name, component in self.stack.processes.items()}
        control_plane = {name: [component.pid] for name, component in self.control_plane.components.items()}
        return {**own, "tgtd": daemons, **control_plane}
