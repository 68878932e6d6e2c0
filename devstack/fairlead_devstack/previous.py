"""The version before this one, from the history: its tree, for tests of an upgrade."""

import subprocess
import tarfile
from io import BytesIO
from pathlib import Path

import yaml

from fairlead_devstack.images import CHECKOUT

_CHART = "charts/fairlead/Chart.yaml"


def previous_commit(checkout: Path = CHECKOUT) -> str | None:
    """Return the newest commit whose chart has another version than the checkout's; None: the history has none.

    A shallow clone and a tree without history have none.
    """
    now = _version((checkout / _CHART).read_text())
    try:
        # Each of these changed the chart's description; its parent has what was before.
        commits = _git(checkout, "log", "--format=%H", "--", _CHART).decode().split()
    except (OSError, subprocess.CalledProcessError):
        return None
    for commit in ("HEAD", *(f"{commit}^" for commit in commits)):
        try:
            before = _version(_git(checkout, "show", f"{commit}:{_CHART}").decode())
        except subprocess.CalledProcessError:
            # Before the commit in which the chart came, or beyond a shallow clone's history.
            return None
        if before != now:
            return _git(checkout, "rev-parse", commit).decode().strip()
    return None


def extract(commit: str, folder: Path, checkout: Path = CHECKOUT) -> None:
    """Write a commit's files into a folder."""
    with tarfile.open(fileobj=BytesIO(_git(checkout, "archive", commit))) as tree:
        tree.extractall(folder, filter="data")


def _version(chart: str) -> str:
    return str(yaml.safe_load(chart)["version"])


def _git(checkout: Path, *arguments: str) -> bytes:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True).stdout
