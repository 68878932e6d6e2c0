"""What a whole node needs beyond a control plane: kubelet, scheduler and kube-proxy, and Debian's container runtime."""

from dataclasses import dataclass

from fairlead_devstack.lookup import Found, locate
from fairlead_devstack.programs import Program, Version

NODE_COMMANDS = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "nft": "nftables",
    "conntrack": "conntrack",
    "ip": "iproute2",
}
"""What kubelet and kube-proxy run, and the Debian package of each."""

IMAGE_COMMANDS = {"mmdebstrap": "mmdebstrap", "/bin/busybox": "busybox-static"}
"""What images are made with where there is no registry."""


@dataclass(frozen=True)
class NodePrograms:
    """Programs that join a machine to a control plane, in the API server's own version."""

    kubelet: Found
    kube_scheduler: Found
    kube_proxy: Found


def locate_node_programs(server: Version) -> NodePrograms:
    """Find or build what a node of this API server needs.

    Raises:
        BuildFailed: one was nowhere and could not be built.
    """
    return NodePrograms(
        kubelet=locate(_program("kubelet", server, "1 minute")),
        kube_scheduler=locate(_program("kube-scheduler", server, "1 minute")),
        kube_proxy=locate(_program("kube-proxy", server, "1 minute")),
    )


def _program(name: str, server: Version, minutes: str) -> Program:
    """A node's program may be older than its API server, never newer; only the same minor is tried here."""
    return Program(
        name=name,
        package=f"k8s.io/kubernetes/cmd/{name}",
        version=server,
        oldest=Version(server.major, server.minor, 0),
        newest_minor=(server.major, server.minor),
        minutes=minutes,
    )
