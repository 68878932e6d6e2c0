"""Free TCP ports for servers that cannot pick their own."""

import random
import socket
from pathlib import Path

_LOWEST = 12000
_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class NoFreePort(Exception):
    """No port was free on the address."""


def free_port(address: str = "127.0.0.1") -> int:
    """Find a port nobody listens on.

    Ports below the kernel's ephemeral range, because a client that keeps trying a dead server's ephemeral port takes
    that very port as its own source sooner or later: it then talks to itself, and the server cannot come back.

    Nothing holds the port; a caller whose server loses the race for it asks for another.

    Args:
        address: The IPv4 address to be bound.

    Returns:
        The port.

    Raises:
        NoFreePort: A hundred ports in a row were taken, or the address is not this machine's.
    """
    highest = _ephemeral_start() - 1
    error: OSError | None = None
    for _ in range(100):
        port = random.randint(_LOWEST, highest)
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                # As servers do; without it a port in TIME_WAIT would look taken.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
                return port
        except OSError as failure:
            error = failure
    raise NoFreePort(f"no free port on {address} between {_LOWEST} and {highest}: {error}")


def _ephemeral_start() -> int:
    try:
        start = int(_EPHEMERAL_RANGE.read_text().split()[0])
    except (OSError, ValueError):
        start = 32768
    # A machine whose ephemeral range begins very low leaves no room below it: then anything will do.
    return start if start > _LOWEST + 1000 else 65536
