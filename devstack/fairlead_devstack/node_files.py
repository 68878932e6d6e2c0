"""The configuration files of a node's programs, all below one folder."""

import json
from dataclasses import dataclass
from pathlib import Path

import yaml

from fairlead_devstack import node_network
from fairlead_devstack.images import PAUSE

CNI_PLUGINS = Path("/usr/lib/cni")
POD_NETWORK = "fairlead-pods"


@dataclass(frozen=True)
class NodeFiles:
    """Where everything of a node is."""

    folder: Path

    @property
    def control_plane(self) -> Path:
        """The control plane's data."""
        return self.folder / "control-plane"

    @property
    def logs(self) -> Path:
        """Logs and pid files."""
        return self.folder / "logs"

    @property
    def containerd(self) -> Path:
        """containerd's folder."""
        return self.folder / "containerd"

    @property
    def runtime_socket(self) -> Path:
        """containerd's socket."""
        return self.containerd / "c.sock"

    @property
    def tasks(self) -> Path:
        """A folder for each running container, kept by containerd."""
        return self.containerd / "state" / "io.containerd.runtime.v2.task" / "k8s.io"

    @property
    def kubelet(self) -> Path:
        """The kubelet's folder."""
        return self.folder / "kubelet"

    @property
    def storage(self) -> Path:
        """For the data of PersistentVolumes."""
        return self.folder / "storage"

    def write_containerd(self) -> Path:
        """Write containerd's configuration and that of the pods' network."""
        cni = self.containerd / "cni"
        cni.mkdir(parents=True, exist_ok=True)
        plugin = {
            "type": "bridge",
            "bridge": node_network.POD_BRIDGE,
            "isGateway": True,
            # No masquerading: pods talk to this machine only, and it would need iptables.
            "ipMasq": False,
            "hairpinMode": True,
            "ipam": {
                "type": "host-local",
                "dataDir": str(self.containerd / "addresses"),
                "ranges": [[{"subnet": node_network.POD_SUBNET}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        }
        network = {"cniVersion": "0.4.0", "name": POD_NETWORK, "plugins": [plugin]}
        (cni / "10-pods.conflist").write_text(json.dumps(network))
        cri = 'plugins."io.containerd.grpc.v1.cri"'
        path = self.containerd / "config.toml"
        path.write_text(
            f"""version = 2
root = "{self.containerd}/root"
state = "{self.containerd}/state"
[grpc]
  address = "{self.runtime_socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{self.containerd}/opt"
[{cri}]
  sandbox_image = "{PAUSE}"
  # Lowering a score needs CAP_SYS_RESOURCE, which containers that run builds lack.
  restrict_oom_score_adj = true
  # So that one unmounting below this folder takes the pods' namespaces too.
  netns_mounts_under_state_dir = true
  [{cri}.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [{cri}.containerd.runtimes.runc.options]
      Root = "{self.containerd}/runc"
  [{cri}.cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{cni}"
"""
        )
        return path

    def write_kubelet(self) -> Path:
        """Write the kubelet's configuration."""
        return self._write(
            "kubelet.yaml",
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "address": node_network.ADDRESS,
                "healthzBindAddress": node_network.ADDRESS,
                # Hybrid cgroups, which build machines have, count as version 1.
                "failCgroupV1": False,
                "cgroupDriver": "cgroupfs",
                "cgroupsPerQOS": False,
                "enforceNodeAllocatable": [],
                # For `kubectl logs` and `exec`: the API server comes without a client certificate here.
                "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
                "authorization": {"mode": "AlwaysAllow"},
                "containerRuntimeEndpoint": f"unix://{self.runtime_socket}",
                "failSwapOn": False,
                # Hints for an iptables that nothing here uses; they would stay behind.
                "makeIPTablesUtilChains": False,
                "localStorageCapacityIsolation": False,
                "resolvConf": "",
                "evictionHard": {"memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
                "podLogsDir": str(self.folder / "pod-logs"),
                "registerNode": True,
                # How soon a mounted Secret that changed is seen; by default a minute.
                "syncFrequency": "5s",
            },
        )

    def write_proxy(self, kubeconfig: Path) -> Path:
        """Write kube-proxy's configuration."""
        return self._write(
            "kube-proxy.yaml",
            {
                "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
                "kind": "KubeProxyConfiguration",
                "mode": "nftables",
                "bindAddress": node_network.ADDRESS,
                "healthzBindAddress": f"{node_network.ADDRESS}:10256",
                "metricsBindAddress": f"{node_network.ADDRESS}:10249",
                "clusterCIDR": node_network.POD_SUBNET,
                "clientConnection": {"kubeconfig": str(kubeconfig)},
                # Zero leaves the kernel's settings alone.
                "conntrack": {"maxPerCore": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
            },
        )

    def _write(self, name: str, document: object) -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path
