"""Fairlead on a control plane: its kinds, its rights, its processes, and a Backend on a folder of its own.

Operator and facade run as the ServiceAccounts they have in a cluster, under the same rules and admission policies, so
that a missing right shows here and not at a user's.
"""

import asyncio
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubernetes import client

from fairlead_crds import names
from fairlead_crds.kinds import Backend, Resource
from fairlead_devstack.api_client import connect
from fairlead_devstack.apply import apply_objects, documents
from fairlead_devstack.component import Component
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.custom_resources import install_manifests
from fairlead_devstack.ports import free_port
from fairlead_devstack.service_account import service_account_kubeconfig
from fairlead_operator.drivers.tgt_daemon import end_tgtd

MANIFESTS = Path(__file__).parents[2] / "crds" / "manifests"
RBAC = Path(__file__).with_name("rbac.yaml")
_PATIENCE = 60.0
"""Seconds that a process may take until it serves."""


class Stack:
    """Fairlead's part of a running installation.

    Args:
        control_plane: where it runs; started.
        folder: for data, logs and kubeconfigs; the caller removes it.
        tethered: whether the processes die with this one.
        lease_duration: seconds; short ones make a crash cheap, at the price of more renewals.
        sweep_interval: seconds between two comparisons of exports and Attachments.
        token_lifetime: seconds that operator and facade may speak to the API server; nobody renews their tokens.
    """

    def __init__(
        self,
        control_plane: ControlPlane,
        folder: Path,
        *,
        tethered: bool = True,
        lease_duration: float = 5.0,
        sweep_interval: float = 60.0,
        token_lifetime: int = 24 * 3600,
    ) -> None:
        self.control_plane = control_plane
        self.folder = folder
        self._tethered = tethered
        self._lease_duration = lease_duration
        self._sweep_interval = sweep_interval
        self._token_lifetime = token_lifetime
        self.processes: dict[str, Component] = {}
        self.data_dirs: dict[str, Path] = {}
        self.health_ports: dict[str, int] = {}
        self.facade_url = ""

    def install(self) -> None:
        """Apply kinds, rights and admission policies; may be repeated."""
        with connect(self.control_plane.kubeconfig) as api:
            install_manifests(api, MANIFESTS)
            apply_objects(api, list(documents(RBAC)))
            apply_objects(api, list(documents(MANIFESTS / "policies")))
        for account in (names.OPERATOR_ACCOUNT, names.FACADE_ACCOUNT):
            service_account_kubeconfig(
                self.control_plane.kubeconfig,
                namespace=names.SYSTEM_NAMESPACE,
                name=account,
                path=self.kubeconfig_of(account),
                expiration_seconds=self._token_lifetime,
            )

    def add_backend(
        self,
        name: str,
        *,
        default: bool = False,
        driver: str = "iscsi-tgt",
        parameters: Mapping[str, Any] | None = None,
    ) -> Path:
        """Create or change a Backend with its data below `folder`; on real iSCSI targets unless told otherwise.

        Returns:
            Its data folder.
        """
        data = self.folder / name
        data.mkdir(parents=True, exist_ok=True)
        self.data_dirs[name] = data
        port = {"port": free_port("127.0.0.1")} if driver == "iscsi-tgt" else {}
        body = {
            "apiVersion": names.API_VERSION,
            "kind": "Backend",
            "metadata": {"name": name},
            "spec": {
                "driver": driver,
                "default": default,
                "parameters": {"dataDir": str(data), **port, **(parameters or {})},
            },
        }
        with connect(self.control_plane.kubeconfig) as api:
            apply_objects(api, [body])
        return data

    def start_operator(
        self,
        name: str = "operator",
        *,
        options: tuple[str, ...] = (),
        fault_dir: Path | None = None,
        launcher: tuple[str, ...] = (),
        wait: bool = True,
    ) -> Component:
        """Start an operator process and wait until it answers its liveness probe.

        Args:
            name: of the process and its log.
            options: of `fairlead-operator`.
            fault_dir: where it looks for fault points.
            launcher: a program and its arguments that start it, such as one that changes what it sees of the machine.
            wait: whether to wait.
        """
        self.health_ports[name] = port = free_port("127.0.0.1")
        command = [
            *launcher,
            *(sys.executable, "-m", "fairlead_operator.main", "--identity", "devstack", "--log-level", "DEBUG"),
            *("--lease-duration", str(self._lease_duration), "--sweep-interval", str(self._sweep_interval)),
            *("--health-port", str(port), *options),
        ]
        faults = {"FAIRLEAD_FAULT_DIR": str(fault_dir)} if fault_dir is not None else {}
        probe = f"http://127.0.0.1:{port}/healthz"
        return self._start(name, command, names.OPERATOR_ACCOUNT, lambda: _answers(probe), faults, wait)

    def start_facade(
        self, name: str = "facade", *, options: tuple[str, ...] = (), patience: float = _PATIENCE
    ) -> Component:
        """Start a facade and wait until it serves, so many seconds; its address is `facade_url` afterwards."""
        port = free_port("127.0.0.1")
        self.facade_url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "fairlead_api.main", "--host", "127.0.0.1", "--port", str(port), *options]
        probe = f"{self.facade_url}/healthcheck"
        return self._start(name, command, names.FACADE_ACCOUNT, lambda: _answers(probe), {}, True, patience)

    def stop(self) -> None:
        """End every process: the facade and operators in order, then the daemons that outlive them by design."""
        for component in reversed(list(self.processes.values())):
            component.terminate()
        self.processes.clear()
        for data in self.data_dirs.values():
            stop_daemons(data)

    def _start(
        self,
        name: str,
        command: list[str],
        account: str,
        ready: Any,
        more: Mapping[str, str],
        wait: bool,
        patience: float = _PATIENCE,
    ) -> Component:
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig_of(account)),
            "PYTHONUNBUFFERED": "1",
            # Their logs are files, but people read them.
            "FAIRLEAD_LOG_FORMAT": "text",
            **more,
        }
        component = Component(
            name,
            command,
            folder=self.folder,
            ready=ready,
            tethered=self._tethered,
            ready_timeout=patience,
            environment=environment,
        )
        self.processes[name] = component
        component.start()
        if wait:
            component.wait_ready()
        return component

    def kubeconfig_of(self, account: str) -> Path:
        """The kubeconfig of one of the two ServiceAccounts."""
        return self.folder / f"{account}.kubeconfig"

    @property
    def operator_user(self) -> str:
        """The operator's name as the audit log writes it."""
        return f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{names.OPERATOR_ACCOUNT}"

    @property
    def facade_user(self) -> str:
        """The facade's name as the audit log writes it."""
        return f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{names.FACADE_ACCOUNT}"


def stop_daemons(data: Path) -> None:
    """End the supervised target daemons of a Backend's data folder."""
    asyncio.run(end_tgtd(data / "run"))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def wait_for_backend(api: client.ApiClient, name: str, *, timeout: float = 60.0) -> None:
    """Wait until a Backend is Ready.

    Raises:
        TimeoutError: it is not; the message has its conditions.
    """
    wait_for_condition(api, Backend, name, "Ready", timeout=timeout)


def wait_for_condition(
    api: client.ApiClient,
    kind: type[Resource[Any, Any]],
    name: str,
    condition: str,
    *,
    namespace: str = "",
    timeout: float = 60.0,
) -> Any:
    """Wait until a condition of an object is True, and return the object.

    Raises:
        TimeoutError: it is not; the message has its conditions.
    """
    objects = client.CustomObjectsApi(api)
    kinds = (names.GROUP, names.VERSION)
    deadline = time.monotonic() + timeout
    while True:
        found: Any = (
            objects.get_namespaced_custom_object(*kinds, namespace, kind.plural, name)
            if namespace
            else objects.get_cluster_custom_object(*kinds, kind.plural, name)
        )
        conditions = found.get("status", {}).get("conditions", [])
        if any(c["type"] == condition and c["status"] == "True" for c in conditions):
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"{kind.kind} {name} is not {condition} after {timeout:.0f} s: {conditions}")
        time.sleep(0.05)
