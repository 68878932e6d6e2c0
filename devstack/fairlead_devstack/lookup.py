"""Where a control plane program comes from: the first place that has a fitting one.

In this order: ``$KUBEBUILDER_ASSETS``, PATH, the project's cache, ``setup-envtest``, a build from Go modules into the
cache. Each program is looked up by itself, because hardly any place has all of them.
"""

import functools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fairlead_devstack.gobuild import build
from fairlead_devstack.programs import (
    ETCD_SERVER,
    HELM_CLIENT,
    KUBE_APISERVER,
    KUBECTL,
    Program,
    ProgramUnusable,
    Version,
    controller_manager_for,
    version_of,
)
from fairlead_devstack.progress import say


@dataclass(frozen=True)
class Found:
    """A program on this machine.

    Attributes:
        path: The file.
        version: Its release.
        source: The place it was found in, for the person reading.
    """

    path: Path
    version: Version
    source: str


@dataclass(frozen=True)
class ControlPlanePrograms:
    """The three programs of a control plane, in versions that go together."""

    etcd: Found
    kube_apiserver: Found
    kube_controller_manager: Found


def cache_folder() -> Path:
    """Tell where built programs are kept.

    Returns:
        ``fairlead/bin`` in the user's cache folder; a folder per version is in it.
    """
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "fairlead" / "bin"


def locate(program: Program, *, builder: Callable[[Program, Path], Path] = build) -> Found:
    """Find a program, or build it.

    Args:
        program: What is wanted.
        builder: Builds a program into the cache folder and returns the file.

    Returns:
        The first fitting one, in the order of this module's description.

    Raises:
        BuildFailed: It was nowhere and could not be built; the message says what to install.
    """
    for source, path in _candidates(program):
        try:
            version = version_of(path, program.version_arguments)
        except ProgramUnusable as error:
            say(f"{program.name} from {source} is passed over: {error}")
            continue
        reason = program.unfit(version)
        if reason is None:
            return Found(path, version, source)
        say(f"{program.name} from {source} is passed over: {reason} ({path})")
    return Found(builder(program, cache_folder()), program.version, "build from Go modules")


def locate_control_plane() -> ControlPlanePrograms:
    """Find or build the programs of a control plane.

    Returns:
        The programs; the controller manager's version follows the API server's.

    Raises:
        BuildFailed: One was nowhere and could not be built.
    """
    server = locate(KUBE_APISERVER)
    return ControlPlanePrograms(
        etcd=locate(ETCD_SERVER),
        kube_apiserver=server,
        kube_controller_manager=locate(controller_manager_for(server.version)),
    )


def locate_kubectl() -> Found:
    """Find or build kubectl.

    Returns:
        One that runs.

    Raises:
        BuildFailed: It was nowhere and could not be built.
    """
    return locate(KUBECTL)


def locate_helm() -> Found:
    """Find or build helm.

    Returns:
        One that runs.

    Raises:
        BuildFailed: It was nowhere and could not be built.
    """
    return locate(HELM_CLIENT)


def _candidates(program: Program) -> Iterator[tuple[str, Path]]:
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        yield from _if_executable("$KUBEBUILDER_ASSETS", Path(assets) / program.name)
    on_path = shutil.which(program.name)
    if on_path:
        yield "PATH", Path(on_path)
    yield from _if_executable("the cache", cache_folder() / str(program.version) / program.name)
    if program.in_envtest:
        folder = envtest_folder()
        if folder is not None:
            yield from _if_executable("setup-envtest", folder / program.name)


def _if_executable(source: str, path: Path) -> Iterator[tuple[str, Path]]:
    if path.is_file() and os.access(path, os.X_OK):
        yield source, path


@functools.cache
def envtest_folder() -> Path | None:
    """Ask setup-envtest for its folder of programs, once per process: it may download.

    Returns:
        The folder; None when the tool is missing or failed.
    """
    tool = shutil.which("setup-envtest")
    if tool is None:
        return None
    say("asking setup-envtest for the control plane's programs (it may download them)")
    try:
        result = subprocess.run(
            [tool, "use", "-p", "path"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"setup-envtest is passed over: {error}")
        return None
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ["no message"]
        say(f"setup-envtest is passed over: it ended with {result.returncode}: {lines[-1]}")
        return None
    return Path(result.stdout.strip())
