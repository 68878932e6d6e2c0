"""The chart on a node: helm's commands, and the storage that a cluster would provide."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fairlead_crds import names
from fairlead_devstack.api_client import connect
from fairlead_devstack.apply import apply_objects
from fairlead_devstack.images import CHART
from fairlead_devstack.node import NODE, Node

_LIMIT = 300.0


class HelmFailed(Exception):
    """helm refused or gave up; the message is its own."""


class Release:
    """One release of the chart.

    Attributes:
        name: its name.
        namespace: where it is.
    """

    def __init__(self, node: Node, helm: Path, *, name: str = "fairlead", namespace: str = names.SYSTEM_NAMESPACE):
        self.name = name
        self.namespace = namespace
        self._node = node
        self._helm = helm
        home = node.files.folder / "helm"
        self._environment = {
            **os.environ,
            "KUBECONFIG": str(node.kubeconfig),
            "HELM_CACHE_HOME": str(home),
            "HELM_CONFIG_HOME": str(home),
            "HELM_DATA_HOME": str(home),
        }

    def prepare(self) -> None:
        """Make the namespace, which enforces Pod Security `restricted`, and a volume for the chart's claim."""
        restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": self.namespace, "labels": restricted},
        }
        with connect(self._node.kubeconfig) as api:
            apply_objects(api, [namespace, self._persistent_volume()])

    def install(self, values: Mapping[str, Any] | None = None, *, chart: Path = CHART) -> None:
        """Install the chart, or upgrade what is installed to it, and wait until its pods are ready.

        Raises:
            HelmFailed: it does not come up.
        """
        self._values("upgrade", values, "--install", "--wait", "--timeout=3m", chart=chart)

    def upgrade(self, values: Mapping[str, Any] | None = None) -> None:
        """Upgrade the release and wait until its pods are ready; values are set anew.

        Raises:
            HelmFailed: it does not come up.
        """
        self._values("upgrade", values, "--wait", "--timeout=3m")

    def revision(self) -> int:
        """The number of the newest revision."""
        history = json.loads(self._run(["history", self.name, "--output=json"]))
        return max(int(entry["revision"]) for entry in history)

    def rollback(self, revision: int = 0) -> None:
        """Go back to a revision; 0 is the one before.

        Raises:
            HelmFailed: it does not come up.
        """
        self._run(["rollback", self.name, str(revision), "--wait", "--timeout=3m"])

    def test(self) -> str:
        """Run `helm test` and return what it says.

        Raises:
            HelmFailed: it fails.
        """
        return self._run(["test", self.name, "--timeout=3m"])

    def uninstall(self) -> None:
        """Uninstall the release and wait until it is gone.

        Raises:
            HelmFailed: a hook refuses.
        """
        self._run(["uninstall", self.name, "--wait", "--timeout=3m"])

    def _values(self, command: str, values: Mapping[str, Any] | None, *options: str, chart: Path = CHART) -> None:
        self._run([command, self.name, str(chart), "--values=-", *options], stdin=json.dumps(values or {}))

    def _run(self, arguments: list[str], stdin: str = "") -> str:
        done = subprocess.run(
            [self._helm, "--namespace", self.namespace, *arguments],
            input=stdin,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=_LIMIT,
            check=False,
        )
        if done.returncode != 0:
            raise HelmFailed(f"helm {arguments[0]} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def _persistent_volume(self) -> Mapping[str, Any]:
        folder = self._node.files.storage / "data"
        folder.mkdir(exist_ok=True)
        term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [NODE]}]}
        return {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": "data"},
            "spec": {
                "capacity": {"storage": "10Gi"},
                "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain",
                # No class: it fits a claim without one, and a cluster without a default class.
                "local": {"path": str(folder)},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}},
            },
        }
