"""The options of the transport."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final


@dataclass(frozen=True, kw_only=True)
class TransportOptions:
    """How clients are connected, and what one may take.

    Attributes:
        certificate: file with the certificate and its chain (PEM); None: no TLS.
        key: file with its private key; None: it is in the certificate's file.
        connections: that are open at once at most.
        client_connections: of these, from one address at most.
        client_rate: requests per second from one address; 0: any number.
        request_seconds: in which a request must have arrived whole.
    """

    certificate: Path | None = None
    key: Path | None = None
    connections: int = 2000
    client_connections: int = 500
    client_rate: float = 1000.0
    request_seconds: float = 30.0


_DEFAULT: Final = TransportOptions()


def add_options(parser: argparse.ArgumentParser, default: Callable[[str, str | None], str | None]) -> None:
    """Add the options.

    Args:
        parser: where.
        default: given an option's name in capitals and its default, what the environment says.
    """
    group = parser.add_argument_group("transport")
    group.add_argument(
        "--tls-certificate",
        type=Path,
        default=default("TLS_CERTIFICATE", None),
        help="file with the certificate and its chain; it is read again when it changes (default: no TLS)",
    )
    group.add_argument(
        "--tls-key",
        type=Path,
        default=default("TLS_KEY", None),
        help="file with its private key (default: the certificate's file)",
    )
    for option, fallback, kind, help_ in (
        ("--max-connections", _DEFAULT.connections, _count, "open at once"),
        ("--max-client-connections", _DEFAULT.client_connections, _count, "open at once from one address"),
        ("--client-rate", _DEFAULT.client_rate, _rate, "requests per second from one address; 0: any number"),
        ("--request-seconds", _DEFAULT.request_seconds, _seconds, "time in which a request must have arrived whole"),
    ):
        name = option.lstrip("-").replace("-", "_").upper()
        group.add_argument(
            option, type=kind, default=default(name, f"{fallback:g}"), help=f"{help_} (default: {fallback:g})"
        )


def transport_options(found: argparse.Namespace) -> TransportOptions:
    """Return what the command line says."""
    return TransportOptions(
        certificate=found.tls_certificate,
        key=found.tls_key,
        connections=found.max_connections,
        client_connections=found.max_client_connections,
        client_rate=found.client_rate,
        request_seconds=found.request_seconds,
    )


def _count(text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of connections; use 1 or more")
    return value


def _rate(text: str) -> float:
    return _positive(text, "a rate; use requests per second, or 0", zero=True)


def _seconds(text: str) -> float:
    return _positive(text, "a time; use seconds, more than 0", zero=False)


def _positive(text: str, what: str, *, zero: bool) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (0 < value < 1e6 or (zero and value == 0)):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return value
