"""The process's options, from the command line and `FAIRLEAD_*` environment variables."""

import argparse
import ipaddress
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

from fairlead_api.identity import options as auth
from fairlead_api.identity.keystone_login import KeystoneOptions
from fairlead_api.identity.reviews import KubernetesOptions
from fairlead_api.transport import options as transport
from fairlead_api.transport.options import TransportOptions
from fairlead_crds import names
from fairlead_kube import scope
from fairlead_telemetry.options import ReportingOptions, add_options, reporting_options

PROGRAM: Final = "fairlead-api"
"""Its name for users, the API server and traces."""

_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"0", "false", "no", "off"})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How this process serves.

    Attributes:
        host: address to listen on.
        port: port to listen on; 0: any free one.
        port_file: where the actual port is written once requests can be served.
        auth_mode: `noauth`: everybody is an administrator; `keystone`; `kubernetes`.
        keystone: how Keystone is asked.
        kubernetes: how the API server is asked about callers.
        transport: TLS and limits.
        allow_insecure_noauth: serve `noauth` to other machines than this one, all the same.
        export_timeout: seconds that an answer of the operator is waited for.
        namespaces: that projects may be; empty: all.
        system_namespace: where the Backends' keys are.
        default_project: the project of a caller that names none.
        create_namespaces: make the namespace of a project that is seen for the first time.
        public_endpoint: scheme and host that links name; None: what the caller used.
        reporting: log lines, metrics, traces.
        log_level: debug, info, warning or error.
    """

    host: str = "127.0.0.1"
    port: int = 8776
    port_file: Path | None = None
    auth_mode: str = auth.NOAUTH
    keystone: KeystoneOptions = field(default_factory=KeystoneOptions)
    kubernetes: KubernetesOptions = field(default_factory=KubernetesOptions)
    transport: TransportOptions = field(default_factory=TransportOptions)
    allow_insecure_noauth: bool = False
    export_timeout: float = 30.0
    namespaces: tuple[str, ...] = ()
    system_namespace: str = names.SYSTEM_NAMESPACE
    default_project: str = "default"
    create_namespaces: bool = True
    public_endpoint: str | None = None
    reporting: ReportingOptions = field(default_factory=ReportingOptions)
    log_level: str = "info"

    @classmethod
    def read(cls, arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> Self:
        """Read the options; an option on the command line wins over the environment.

        Exits with a message when one is wrong, as command lines do.
        """
        parser = _parser(environment)
        try:
            found = parser.parse_args(arguments)
        except ValueError as error:
            parser.error(str(error))
        settings = cls(
            host=found.host,
            port=found.port,
            port_file=found.port_file,
            auth_mode=found.auth_mode,
            keystone=auth.keystone_options(found),
            kubernetes=auth.kubernetes_options(found),
            transport=transport.transport_options(found),
            allow_insecure_noauth=found.allow_insecure_noauth,
            export_timeout=found.export_timeout,
            namespaces=found.namespaces,
            system_namespace=found.system_namespace,
            default_project=found.default_project,
            create_namespaces=_create_namespaces(found),
            public_endpoint=found.public_endpoint.rstrip("/") if found.public_endpoint else None,
            reporting=reporting_options(found),
            log_level=found.log_level,
        )
        missing = auth.complaint(settings.auth_mode, settings.keystone, environment)
        if missing is not None:
            parser.error(missing)
        if settings.namespaces and settings.create_namespaces:
            parser.error("--create-namespaces makes other namespaces than those of --namespaces; leave one of them out")
        if settings.auth_mode == auth.NOAUTH and not settings.is_loopback and not settings.allow_insecure_noauth:
            parser.error(
                f"auth mode noauth makes everybody an administrator, so it is served on loopback only; {found.host} is "
                "not. Add --allow-insecure-noauth if you mean it."
            )
        return settings

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Serve the Block Storage v3 attachments API over Fairlead's custom resources. Kubernetes is found "
        "by $KUBECONFIG, the pod's ServiceAccount, or the user's kubeconfig.",
        epilog="Each option can be given as an environment variable too: --export-timeout is FAIRLEAD_EXPORT_TIMEOUT.",
    )

    def default(name: str, fallback: str | None) -> str | None:
        return environment.get(f"FAIRLEAD_{name}", fallback)

    def text(option: str, fallback: str | None, help_: str) -> None:
        name = option.lstrip("-").replace("-", "_").upper()
        shown = f" (default: {fallback})" if fallback else ""
        parser.add_argument(option, default=default(name, fallback), help=help_ + shown)

    def flag(option: str, fallback: bool | None, help_: str) -> None:
        name = option.lstrip("-").replace("-", "_").upper()
        parser.add_argument(
            option,
            action=argparse.BooleanOptionalAction,
            default=_boolean(name, environment.get(f"FAIRLEAD_{name}"), fallback),
            help=help_,
        )

    text("--host", "127.0.0.1", "address to listen on")
    parser.add_argument(
        "--port", type=_port, default=default("PORT", "8776"), help="port to listen on; 0: any free one (default: 8776)"
    )
    parser.add_argument(
        "--port-file",
        type=Path,
        default=default("PORT_FILE", None),
        help="write the actual port here once requests can be served",
    )
    auth.add_options(parser, default)
    transport.add_options(parser, default)
    flag("--allow-insecure-noauth", False, "serve noauth to other machines all the same")
    parser.add_argument(
        "--export-timeout",
        type=_seconds,
        default=default("EXPORT_TIMEOUT", "30"),
        metavar="SECONDS",
        help="how long an answer of the operator is waited for (default: 30)",
    )
    scope.add_option(parser, environment.get("FAIRLEAD_NAMESPACES", ""))
    text("--system-namespace", names.SYSTEM_NAMESPACE, "where the Backends' keys are")
    text("--default-project", "default", "project of a caller that names none")
    flag(
        "--create-namespaces",
        None,
        "make the namespace of a project that is seen for the first time (default: yes, but not with --namespaces, nor "
        "with auth mode kubernetes, where making namespaces is RBAC's to permit)",
    )
    text("--public-endpoint", None, "scheme and host that links name, such as https://volume.example.org")
    add_options(parser, lambda name: environment.get(f"FAIRLEAD_{name}", ""))
    parser.add_argument(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default=default("LOG_LEVEL", "info"),
        help="(default: info)",
    )
    return parser


def _create_namespaces(found: argparse.Namespace) -> bool:
    asked: bool | None = found.create_namespaces
    return found.auth_mode != auth.KUBERNETES and not found.namespaces if asked is None else asked


def _boolean(name: str, value: str | None, fallback: bool | None) -> bool | None:
    if value is None or not value.strip():
        return fallback
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise SystemExit(f"{PROGRAM}: FAIRLEAD_{name} is {value!r}; say true or false")


def _port(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; use 0 to 65535")
    return value


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; use seconds, more than 0 and at most 3600")
    return value
