"""How the operator is told what to do: options, each also an environment variable `FAIRLEAD_<OPTION>`."""

import argparse
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fairlead_crds.names import SYSTEM_NAMESPACE
from fairlead_kube import scope
from fairlead_operator.lease import LeaseTiming
from fairlead_operator.shard import Shard
from fairlead_telemetry.options import ReportingOptions, add_options, reporting_options

PROGRAM = "fairlead-operator"
"""Its name for users, the API server and traces."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The operator's settings. Times in seconds.

    Attributes:
        backends: names of the Backends to serve; empty: all.
        backends_from: folder of Backends to apply at start; None: none.
        controller: whether to campaign for the objects that belong to no Backend.
        controller_only: serve no Backend at all.
        namespaces: whose objects to serve; empty: all.
        identity: who holds a Backend, as its status shows it; stable across restarts (pod or host name).
        system_namespace: where Leases and backend keys live.
        lease: timing of the Leases.
        patience: how long an Attachment may wait for its volume before an Event says so.
        sweep_interval: between two full comparisons of a backend with its Attachments.
        concurrency: passes at once per Backend.
        health_port: for liveness probes on loopback or the pod's address; None: none.
        health_host: address of the above.
        watch_patience: how long a watch may owe a change before the process calls itself dead.
        reporting: log lines, metrics, traces.
        log_level: of Fairlead's own messages.
    """

    backends: tuple[str, ...] = ()
    backends_from: Path | None = None
    controller: bool = True
    controller_only: bool = False
    namespaces: tuple[str, ...] = ()
    identity: str = ""
    system_namespace: str = SYSTEM_NAMESPACE
    lease: LeaseTiming = field(default_factory=LeaseTiming)
    patience: float = 300.0
    sweep_interval: float = 60.0
    concurrency: int = 16
    health_host: str = "127.0.0.1"
    health_port: int | None = None
    watch_patience: float = 120.0
    reporting: ReportingOptions = field(default_factory=ReportingOptions)
    log_level: str = "INFO"

    @classmethod
    def from_arguments(cls, arguments: Sequence[str] | None = None) -> "Settings":
        """Parse the command line; what is not there comes from the environment, else is the default."""
        parser = _parser()
        given = parser.parse_args(arguments)
        if given.controller_only and (given.backend or given.no_controller):
            parser.error("--controller-only serves no Backend; leave out --backend and --no-controller")
        return cls(
            backends=tuple(given.backend or ()),
            backends_from=given.backends_from,
            controller=not given.no_controller,
            controller_only=given.controller_only,
            namespaces=given.namespaces,
            identity=given.identity,
            system_namespace=given.system_namespace,
            lease=LeaseTiming(
                duration=given.lease_duration, renew=given.lease_duration * 0.3, poll=given.lease_duration * 0.1
            ),
            patience=given.patience,
            sweep_interval=given.sweep_interval,
            concurrency=given.concurrency,
            health_host=given.health_host,
            health_port=given.health_port,
            watch_patience=given.watch_patience,
            reporting=reporting_options(given),
            log_level=given.log_level,
        )

    @property
    def shard(self) -> Shard:
        """The Volumes and Attachments that this process has to see."""
        if self.controller_only:
            return Shard(())
        return Shard(self.backends) if self.backends and not self.controller else Shard()

    def serves(self, backend: str) -> bool:
        """Whether this process may campaign for a Backend."""
        return not self.controller_only and (not self.backends or backend in self.backends)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Attach block storage to nodes, as Attachments in a Kubernetes cluster ask for it.",
        epilog="The cluster is that of $KUBECONFIG, of the pod's ServiceAccount, or of the user's kubeconfig. "
        "Every option may also be given as FAIRLEAD_<OPTION>.",
    )

    def env(name: str, default: str) -> str:
        return os.environ.get(f"FAIRLEAD_{name}", default)

    backends = env("BACKEND", "")
    parser.add_argument(
        "--backend",
        action="append",
        default=backends.split(",") if backends else None,
        metavar="NAME",
        help="serve this Backend; may be repeated (default: all)",
    )
    folder = env("BACKENDS_FROM", "")
    parser.add_argument(
        "--backends-from",
        type=Path,
        default=Path(folder) if folder else None,
        metavar="FOLDER",
        help="apply the Backends in this folder's *.yaml files at start",
    )
    parser.add_argument(
        "--controller-only", action="store_true", help="serve no Backend, only the objects that belong to none"
    )
    parser.add_argument(
        "--no-controller", action="store_true", help="leave objects that belong to no Backend to another process"
    )
    scope.add_option(parser, env("NAMESPACES", ""))
    parser.add_argument(
        "--identity",
        default=env("IDENTITY", socket.gethostname()),
        help="name shown as a Backend's holder (default: the host's name)",
    )
    parser.add_argument(
        "--system-namespace",
        default=env("SYSTEM_NAMESPACE", SYSTEM_NAMESPACE),
        help="namespace of Leases and backend keys (default: %(default)s)",
    )
    parser.add_argument(
        "--lease-duration",
        type=float,
        default=float(env("LEASE_DURATION", "5")),
        metavar="SECONDS",
        help="how long a dead operator blocks its Backends (default: %(default)s)",
    )
    parser.add_argument(
        "--sweep-interval",
        type=float,
        default=float(env("SWEEP_INTERVAL", "60")),
        metavar="SECONDS",
        help="between two full comparisons of exports and Attachments (default: %(default)s)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=float(env("PATIENCE", "300")),
        metavar="SECONDS",
        help="how long an Attachment may wait for its volume before an Event says so (default: %(default)s)",
    )
    parser.add_argument(
        "--concurrency",
        type=int,
        default=int(env("CONCURRENCY", "16")),
        help="objects reconciled at once per Backend (default: %(default)s)",
    )
    parser.add_argument(
        "--health-host", default=env("HEALTH_HOST", "127.0.0.1"), help="address of /startupz, /readyz and /livez"
    )
    port = env("HEALTH_PORT", "")
    parser.add_argument(
        "--health-port", type=int, default=int(port) if port else None, help="port of them (default: none)"
    )
    parser.add_argument(
        "--watch-patience",
        type=float,
        default=float(env("WATCH_PATIENCE", "120")),
        metavar="SECONDS",
        help="how long a watch may keep a change from us before /livez says so (default: %(default)s)",
    )
    add_options(parser, lambda name: env(name, ""))
    parser.add_argument(
        "--log-level",
        default=env("LOG_LEVEL", "INFO"),
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="of Fairlead's own messages (default: %(default)s)",
    )
    return parser
