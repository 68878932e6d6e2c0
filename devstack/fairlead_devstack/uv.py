"""The project's wheel, and an installation of it for another Python than this one."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


class WheelFailed(Exception):
    """The wheel could not be built or installed; the message has what uv said."""


def build_wheel(checkout: Path, folder: Path) -> Path:
    """Build the project's wheel with the build tools of this environment.

    Raises:
        WheelFailed: it cannot be built.
    """
    _uv(["build", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", str(folder)], checkout)
    return next(folder.glob("*.whl"))


def install_wheel(wheel: Path, target: Path, *, python: str, constraints: Path) -> None:
    """Install a wheel with its dependencies into a folder, in locked versions and checked by their hashes.

    It is compiled where that version is this Python's, whatever the times of its files will be.

    Args:
        wheel: what to install.
        target: becomes a folder for `PYTHONPATH`.
        python: the version that will run it, such as `3.11`.
        constraints: the lock file.

    Raises:
        WheelFailed: it cannot be installed.
    """
    where = ["--target", str(target), "--python", sys.executable, "--python-version", python]
    # Wheels only: anything else would be built for this machine's Python, not for that one.
    only = ["--only-binary", ":all:", "--link-mode", "copy"]
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        only.append("--compile-bytecode")
    locked = ["--constraints", str(constraints), f"{wheel}[tracing]"]
    _uv(["pip", "install", *where, *only, *locked], target.parent.parent, PYC_INVALIDATION_MODE="UNCHECKED_HASH")


def _uv(arguments: Sequence[str], cwd: Path, **environment: str) -> None:
    # Beside this environment's python, because only `make setup` says which version it is.
    program = Path(sys.executable).with_name("uv")
    cwd.mkdir(parents=True, exist_ok=True)
    result = subprocess.run(
        [program, "--quiet", *arguments],
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise WheelFailed(f"uv {arguments[0]} ended with {result.returncode}: {result.stderr.strip()[-1500:]}")
