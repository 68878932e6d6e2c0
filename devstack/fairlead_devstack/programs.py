"""The programs of the control plane: what they are, how they tell their version, which versions fit."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple


class Version(NamedTuple):
    """A release number."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return f"v{self.major}.{self.minor}.{self.patch}"

    @classmethod
    def find(cls, text: str) -> "Version | None":
        """Read the first release number in a text, such as ``Kubernetes v1.36.3``.

        Args:
            text: Any text.

        Returns:
            The number, without pre-release or build suffix; None if there is none.
        """
        match = re.search(r"\bv?(\d+)\.(\d+)\.(\d+)", text)
        return cls(*(int(part) for part in match.groups())) if match else None


KUBERNETES = Version(1, 36, 3)
ETCD = Version(3, 6, 8)
HELM = Version(3, 22, 0)


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program, where its source is, and what is expected of one found on the machine.

    Attributes:
        name: The file's name.
        package: The Go package to build it from.
        version: The release that is built when none is found.
        version_arguments: What makes it print its version.
        oldest: The oldest release that does; a found one that is older is passed over.
        newest_minor: The newest (major, minor) that does; None for any.
        in_envtest: Whether ``setup-envtest`` provides it.
        minutes: Roughly how long its build takes on two cores, for the person waiting.
    """

    name: str
    package: str
    version: Version
    version_arguments: Sequence[str] = ("--version",)
    oldest: Version
    newest_minor: tuple[int, int] | None = None
    in_envtest: bool = False
    minutes: str = field(default="1 minute")

    def unfit(self, version: Version) -> str | None:
        """Say why a release does not do.

        Args:
            version: The release found.

        Returns:
            The reason, or None when it does.
        """
        if version < self.oldest:
            return f"{version} is older than {self.oldest}"
        if self.newest_minor is not None and version[:2] > self.newest_minor:
            return f"{version} is newer than {self.newest_minor[0]}.{self.newest_minor[1]}"
        return None


class ProgramUnusable(Exception):
    """A program is there but does not tell its version."""


def version_of(path: Path, arguments: Sequence[str]) -> Version:
    """Run a program to learn its version; this also shows that it runs at all.

    Args:
        path: The program.
        arguments: What makes it print its version.

    Returns:
        Its release number.

    Raises:
        ProgramUnusable: It failed, hung, or printed no version.
    """
    try:
        result = subprocess.run(
            [path, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProgramUnusable(f"{path} does not run: {error}") from error
    if result.returncode != 0:
        raise ProgramUnusable(f"{path} {' '.join(arguments)} ended with {result.returncode}: {result.stderr[-300:]!r}")
    version = Version.find(result.stdout)
    if version is None:
        raise ProgramUnusable(f"{path} {' '.join(arguments)} printed no version: {result.stdout[:300]!r}")
    return version


ETCD_SERVER = Program(
    name="etcd", package="go.etcd.io/etcd/server/v3", version=ETCD, oldest=Version(3, 5, 0), in_envtest=True
)

# 1.32 is where the selectable fields of custom resources became generally available.
KUBE_APISERVER = Program(
    name="kube-apiserver",
    package="k8s.io/kubernetes/cmd/kube-apiserver",
    version=KUBERNETES,
    oldest=Version(1, 32, 0),
    in_envtest=True,
    minutes="3 to 8 minutes",
)

# Newer servers serve these old clients all that we use; kubectl's own rule of one minor is stricter than we need.
KUBECTL = Program(
    name="kubectl",
    package="k8s.io/kubernetes/cmd/kubectl",
    version=KUBERNETES,
    version_arguments=("version", "--client"),
    oldest=Version(1, 28, 0),
    in_envtest=True,
)

HELM_CLIENT = Program(
    name="helm",
    package="helm.sh/helm/v3/cmd/helm",
    version=HELM,
    version_arguments=("version", "--short"),
    oldest=Version(3, 14, 0),
    minutes="2 minutes",
)


def controller_manager_for(server: Version) -> Program:
    """Describe the controller manager that goes with an API server.

    Kubernetes' version skew policy: never newer than the API server, at most one minor older. Neither
    ``$KUBEBUILDER_ASSETS`` nor ``setup-envtest`` has one, so a found API server often needs one built to match.

    Args:
        server: The API server's version.

    Returns:
        The program, to be built in the API server's own version.
    """
    return Program(
        name="kube-controller-manager",
        package="k8s.io/kubernetes/cmd/kube-controller-manager",
        version=server,
        oldest=Version(server.major, server.minor - 1, 0),
        newest_minor=(server.major, server.minor),
        minutes="1 to 2 minutes (4 to 6 when nothing of Kubernetes was built before)",
    )
