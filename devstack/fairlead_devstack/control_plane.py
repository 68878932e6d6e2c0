"""A real Kubernetes control plane on this machine: etcd, kube-apiserver, kube-controller-manager."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from fairlead_devstack.audit import AUDIT_POLICY, AuditLog
from fairlead_devstack.component import Component, PortLost, kill_recorded
from fairlead_devstack.kubeconfig import write_kubeconfig
from fairlead_devstack.lookup import ControlPlanePrograms, locate_control_plane
from fairlead_devstack.ports import free_port
from fairlead_devstack.probe import answers_ok
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.tokens import TokenFile

# On shutdown the API server waits up to a minute for its watches, and longer when etcd has gone first. So it is killed
# hard, and etcd last.
_STOP_ORDER = ("kube-controller-manager", "kube-apiserver", "etcd")
_PORT_ATTEMPTS = 5
_CONTROLLER_MANAGER_USER = "system:kube-controller-manager"


class ControlPlane:
    """A control plane with its own data, ports, users and audit log.

    Use it as a context manager, or call ``start`` and ``stop``. Authorization is RBAC; users are told apart by token.

    Attributes:
        data_dir: Where everything is; None before the start unless given.
        components: The processes by program name: ``etcd``, ``kube-apiserver``, ``kube-controller-manager``.
        url: The API server's address.
        etcd_url: etcd's address, for clients that need no credentials.
        admin_token: The token of a member of ``system:masters``.
    """

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        programs: ControlPlanePrograms | None = None,
        address: str = "127.0.0.1",
        tethered: bool = True,
        ready_timeout: float = 120.0,
        etcd_quota_bytes: int = 8 * 1024**3,
        durable: bool = False,
        service_cidr: str = "10.96.0.0/16",
        extra_apiserver_arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the control plane; nothing is started or written yet.

        Args:
            data_dir: A folder to keep; data in it from an earlier start are taken over, users get new tokens. A
                temporary folder, removed at the end, if None.
            programs: The programs; looked up, or built, at the start if None.
            address: Where the API server listens and what clients are told.
            tethered: Whether the processes are killed when this one dies. False for a stack in the background.
            ready_timeout: Seconds each component may take until it serves.
            etcd_quota_bytes: How large etcd's data may grow.
            durable: Whether a write is on the disk when it is answered. Otherwise data outlive a killed process, not a
                lost machine; that is what tests need, and several times as fast.
            service_cidr: The range of Services' addresses.
            extra_apiserver_arguments: Further arguments of kube-apiserver.
            environment: Variables of every component, beside this process's.
        """
        self.components: dict[str, Component] = {}
        self.url = ""
        self.etcd_url = ""
        self.data_dir = data_dir
        self._scratch: ScratchFolder | None = None
        self._programs = programs
        self._address = address
        self._tethered = tethered
        self._ready_timeout = ready_timeout
        self._quota = etcd_quota_bytes
        self._durable = durable
        self._service_cidr = service_cidr
        self._extra = tuple(extra_apiserver_arguments)
        self._environment = {**os.environ, **environment} if environment else None
        self._tokens = TokenFile()
        self.admin_token = self._tokens.add("admin", ["system:masters"])
        self._manager_token = self._tokens.add(_CONTROLLER_MANAGER_USER, [])

    @property
    def folder(self) -> Path:
        """The data folder.

        Raises:
            RuntimeError: There is none, because the control plane was not started.
        """
        if self.data_dir is None:
            raise RuntimeError("the control plane has no data folder before it is started")
        return self.data_dir

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.folder / "kubeconfig"

    @property
    def ca_pem(self) -> bytes:
        """The certificate that the API server's clients trust."""
        return (self.folder / "certs" / "apiserver.crt").read_bytes()

    @property
    def audit_log(self) -> AuditLog:
        """The API server's audit log."""
        return AuditLog(self.folder / "audit.log")

    def add_user(self, name: str, groups: Sequence[str] = ()) -> str:
        """Add a user who authenticates by token; possible before the start only.

        Args:
            name: The user's name, as RBAC and the audit log know it.
            groups: The user's groups.

        Returns:
            The user's token.

        Raises:
            RuntimeError: The control plane is running; it reads its users once.
        """
        if self.components:
            raise RuntimeError(f"the API server reads its users at its start only; add {name!r} before")
        return self._tokens.add(name, groups)

    def kubeconfig_for(self, user: str) -> Path:
        """Write a kubeconfig for one of the users.

        Args:
            user: A name given to ``add_user``.

        Returns:
            The file, in the data folder.

        Raises:
            KeyError: There is no such user.
        """
        path = self.folder / "kubeconfigs" / f"{user.replace(':', '-')}.yaml"
        return write_kubeconfig(path, server=self.url, ca_pem=self.ca_pem, token=self._tokens.token_of(user), user=user)

    def start(self) -> None:
        """Start everything and wait until it works; on failure nothing is left running.

        Raises:
            ComponentFailed: A component ended or did not become ready; the message has the end of its log.
            BuildFailed: A program was not found and could not be built.
        """
        try:
            programs = self._programs or locate_control_plane()
            if self.data_dir is None:
                self._scratch = ScratchFolder("control-plane")
                self.data_dir = self._scratch.path
            self._write_files()
            etcd_port = self._start_on_free_port(lambda port: self._etcd(programs.etcd.path, port))
            self._start_on_free_port(lambda port: self._apiserver(programs.kube_apiserver.path, port, etcd_port))
            write_kubeconfig(self.kubeconfig, server=self.url, ca_pem=self.ca_pem, token=self.admin_token, user="admin")
            self.kubeconfig_for(_CONTROLLER_MANAGER_USER)
            manager = programs.kube_controller_manager.path
            self._start_on_free_port(lambda port: self._controller_manager(manager, port))
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the processes and remove a temporary data folder; safe to repeat."""
        for name in _STOP_ORDER:
            if name in self.components:
                self.components[name].kill()
        self.components.clear()
        if self._scratch is not None:
            self._scratch.remove()
            self._scratch = None
            self.data_dir = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start_on_free_port(self, describe: Callable[[int], Component]) -> int:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            port = free_port(self._address)
            component = describe(port)
            self.components[component.name] = component
            component.start()
            try:
                component.wait_ready()
            except PortLost:
                if attempt == _PORT_ATTEMPTS:
                    raise
            else:
                return port
        raise AssertionError("the loop above returns or raises")

    def _write_files(self) -> None:
        for name in ("etcd", "certs", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._tokens.write(self.folder / "tokens.csv")
        (self.folder / "audit-policy.yaml").write_text(AUDIT_POLICY)
        key_file = self.folder / "service-account.key"
        if not key_file.exists():
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            pem = key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.TraditionalOpenSSL,
                serialization.NoEncryption(),
            )
            key_file.touch(mode=0o600)
            key_file.write_bytes(pem)

    def _component(
        self, program: Path, flags: Mapping[str, str], ready: Callable[[], bool], extra: Sequence[str] = ()
    ) -> Component:
        command = [str(program), *(f"--{flag}={value}" for flag, value in flags.items()), *extra]
        return Component(
            program.name,
            command,
            folder=self.folder / "logs",
            ready=ready,
            tethered=self._tethered,
            ready_timeout=self._ready_timeout,
            environment=self._environment,
        )

    def _etcd(self, program: Path, port: int) -> Component:
        client, peer = f"http://{self._address}:{port}", f"http://{self._address}:{free_port(self._address)}"
        self.etcd_url = client
        flags = {
            "data-dir": str(self.folder / "etcd"),
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"default={peer}",
            "unsafe-no-fsync": "false" if self._durable else "true",
            "quota-backend-bytes": str(self._quota),
            "auto-compaction-mode": "periodic",
            "auto-compaction-retention": "10m",
        }
        return self._component(program, flags, lambda: answers_ok(self._address, port, "/health", tls=False))

    def _apiserver(self, program: Path, port: int, etcd_port: int) -> Component:
        self.url = f"https://{self._address}:{port}"
        key = str(self.folder / "service-account.key")
        flags = {
            "etcd-servers": f"http://{self._address}:{etcd_port}",
            "bind-address": self._address,
            "advertise-address": self._address,
            "secure-port": str(port),
            "cert-dir": str(self.folder / "certs"),
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": key,
            "service-account-signing-key-file": key,
            "service-cluster-ip-range": self._service_cidr,
            "authorization-mode": "Node,RBAC",
            "token-auth-file": str(self.folder / "tokens.csv"),
            "allow-privileged": "true",
            "audit-policy-file": str(self.folder / "audit-policy.yaml"),
            "audit-log-path": str(self.audit_log.path),
            # In MiB: never rotate, a reader's mark is a position in this one file.
            "audit-log-maxsize": "1000000",
        }
        if self._address.startswith("127."):
            # Endpoints may not hold loopback addresses; without this the server complains all the time.
            flags["endpoint-reconciler-type"] = "none"
        return self._component(
            program,
            flags,
            lambda: answers_ok(self._address, port, "/readyz", tls=True, token=self.admin_token),
            extra=self._extra,
        )

    def _controller_manager(self, program: Path, port: int) -> Component:
        kubeconfig = str(self.folder / "kubeconfigs" / "system-kube-controller-manager.yaml")
        flags = {
            "kubeconfig": kubeconfig,
            "authentication-kubeconfig": kubeconfig,
            "authorization-kubeconfig": kubeconfig,
            "bind-address": self._address,
            "secure-port": str(port),
            "cert-dir": str(self.folder / "certs"),
            "service-account-private-key-file": str(self.folder / "service-account.key"),
            "root-ca-file": str(self.folder / "certs" / "apiserver.crt"),
            # Each controller under its own ServiceAccount and role, as in a cluster of kubeadm's: what the garbage
            # collector may not do there it may not do here.
            "use-service-account-credentials": "true",
            "leader-elect": "false",
            "kube-api-qps": "200",
            "kube-api-burst": "400",
        }
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        api_port = int(self.url.rpartition(":")[2])
        return self._component(
            program,
            flags,
            # Serving is not yet working; the account's existence shows that the controllers act.
            lambda: (
                answers_ok(self._address, port, "/healthz", tls=True)
                and answers_ok(self._address, api_port, account, tls=True, token=self.admin_token)
            ),
        )


def stop_recorded(data_dir: Path) -> list[str]:
    """Kill the processes of a control plane that another process started in a given folder and left running.

    Args:
        data_dir: The folder it was started with.

    Returns:
        The names of the processes that were running.
    """
    return kill_recorded(data_dir / "logs", _STOP_ORDER)
