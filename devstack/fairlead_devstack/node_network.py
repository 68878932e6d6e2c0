"""The part of this machine's network that a node needs, put there and taken away whole.

A bridge of our own carries the node's address, because a kubelet refuses loopback; the pods' bridge is made by the CNI
plugin. kube-proxy keeps its rules in nftables tables of its own.
"""

import ipaddress
import json
import subprocess
from collections.abc import Sequence

from fairlead_devstack.debian import find_command

ADDRESS = "10.99.0.1"
NODE_SUBNET = "10.99.0.0/24"
POD_SUBNET = "10.244.0.0/24"
SERVICE_SUBNET = "10.96.0.0/16"
NODE_BRIDGE = "fairlead-node"
POD_BRIDGE = "fairlead-pods"

_TABLES = (("ip", "kube-proxy"), ("ip6", "kube-proxy"))


class NetworkTaken(Exception):
    """This machine uses one of the node's networks already; nothing was changed."""


def create_network() -> None:
    """Make the node's bridge.

    Raises:
        NetworkTaken: another interface uses an address of ours, or a kube-proxy's tables are there already.
    """
    ours = [ipaddress.ip_network(subnet) for subnet in (NODE_SUBNET, POD_SUBNET, SERVICE_SUBNET)]
    for interface in json.loads(_run("ip", "-json", "address")):
        for entry in interface.get("addr_info", []):
            address = ipaddress.ip_address(entry["local"])
            for subnet in ours:
                if address.version == subnet.version and address in subnet:
                    raise NetworkTaken(f"interface {interface['ifname']} has {address}, and the node needs {subnet}")
    for family, table in _TABLES:
        if _try("nft", "list", "table", family, table):
            raise NetworkTaken(f"there is a table {family} {table} in nftables: a kube-proxy runs on this machine")
    _run("ip", "link", "add", NODE_BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{ADDRESS}/24", "dev", NODE_BRIDGE)
    _run("ip", "link", "set", NODE_BRIDGE, "up")


def remove_network() -> None:
    """Take away both bridges, what hangs on them, and kube-proxy's tables; nothing happens if they are not there."""
    for bridge in (POD_BRIDGE, NODE_BRIDGE):
        # Veths whose other end is still in a namespace go with their bridge port.
        for port in json.loads(_run("ip", "-json", "link", "show", "master", bridge) if _exists(bridge) else "[]"):
            _try("ip", "link", "delete", port["ifname"])
        _try("ip", "link", "delete", bridge)
    for family, table in _TABLES:
        _try("nft", "delete", "table", family, table)


def _exists(interface: str) -> bool:
    return _try("ip", "link", "show", "dev", interface)


def _command(arguments: Sequence[str]) -> list[str]:
    program = find_command(arguments[0])
    if program is None:
        raise FileNotFoundError(f"{arguments[0]} is not installed")
    return [program, *arguments[1:]]


def _run(*arguments: str) -> str:
    done = subprocess.run(
        _command(arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def _try(*arguments: str) -> bool:
    done = subprocess.run(
        _command(arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode == 0
