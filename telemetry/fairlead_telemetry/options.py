"""The options by which both processes are told how to report on themselves."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from fairlead_telemetry.logs import LogFormat

_GROUP: Final = "reporting"


@dataclass(frozen=True, kw_only=True)
class ReportingOptions:
    """How a process reports on itself.

    Attributes:
        log_format: of log lines; None: text on a terminal, else JSON.
        metrics_host: address of the metrics.
        metrics_port: of them; None: none are served.
        otlp_endpoint: where traces go, without the path; None: none are made.
    """

    log_format: LogFormat | None = None
    metrics_host: str = "127.0.0.1"
    metrics_port: int | None = None
    otlp_endpoint: str | None = None


def add_options(parser: argparse.ArgumentParser, env: Callable[[str], str]) -> None:
    """Add the options.

    Args:
        parser: where.
        env: given an option's name in capitals, what the environment says; empty: nothing.
    """
    group = parser.add_argument_group(_GROUP)
    group.add_argument(
        "--log-format",
        choices=[form.value for form in LogFormat],
        default=env("LOG_FORMAT") or None,
        help="of log lines (default: text on a terminal, else json)",
    )
    group.add_argument(
        "--metrics-host",
        default=env("METRICS_HOST") or "127.0.0.1",
        help="address of /metrics (default: %(default)s)",
    )
    group.add_argument(
        "--metrics-port",
        type=_port,
        # argparse gives texts to the type, so a wrong one in the environment is a message too.
        default=env("METRICS_PORT") or None,
        help="port of /metrics (default: none)",
    )
    group.add_argument(
        "--otlp-endpoint",
        default=env("OTLP_ENDPOINT") or None,
        metavar="URL",
        help="send traces there by OTLP/HTTP, such as http://collector:4318 (default: make none)",
    )


def reporting_options(found: argparse.Namespace) -> ReportingOptions:
    """Return what the command line says."""
    return ReportingOptions(
        log_format=LogFormat(found.log_format) if found.log_format is not None else None,
        metrics_host=found.metrics_host,
        metrics_port=found.metrics_port,
        otlp_endpoint=found.otlp_endpoint,
    )


def _port(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if not 0 < value <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; use 1 to 65535")
    return value
