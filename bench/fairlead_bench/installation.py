"""Fairlead as it is measured: a control plane of its own, one operator, one facade, one Backend on a real tgtd."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from fairlead_devstack.api_client import connect
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.stack import Stack, wait_for_backend
from fairlead_operator.drivers import tgt_process

BACKEND = "local"


class Installation:
    """A context manager; leaves nothing behind. Options are the chart's.

    Args:
        folder: for everything but the control plane's data.
        durable: whether etcd answers a write when it is on the disk, as in a cluster.
        environment: variables of the control plane's processes, beside this process's.
    """

    def __init__(self, folder: Path, *, durable: bool, environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.control_plane = ControlPlane(durable=durable, environment=environment)
        self.stack = Stack(self.control_plane, folder)

    def __enter__(self) -> Self:
        try:
            self.control_plane.start()
            self.stack.install()
            self.stack.add_backend(BACKEND, default=True)
            # The development stack's own operators say more.
            self.stack.start_operator(options=("--log-level", "INFO"))
            self.stack.start_facade()
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
        # tgtd is ended by an event loop of its own, and there may be one in this thread.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(self.stack.stop).result()
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
        """The processes by their part; tgtd, which descends from the operator, before that one."""
        components = {**self.stack.processes, **self.control_plane.components}
        own = {name: [component.pid] for name, component in components.items()}
        return {"tgtd": tgt_process.find_running(self.run_folder), **own}
