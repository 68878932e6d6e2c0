"""Debian packages that the data plane needs, installed when they may be."""

import glob
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fairlead_devstack.progress import say

_POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_TEXT = """\
#!/bin/sh
# Put here by Fairlead's development stack while it installs packages; it removes it afterwards.
exit 101
"""
# Debian keeps daemons in folders that an ordinary user's PATH leaves out.
_DAEMON_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_APT = ("apt-get", "--quiet=2", "-o", "DPkg::Lock::Timeout=300")


class PackagesMissing(Exception):
    """Commands are missing and could not be installed; the message says how to."""


class NotInstallable(PackagesMissing):
    """Nothing can be installed here at all: this is not Debian, or we are not root."""


def find_command(name: str) -> str | None:
    """Find a command on PATH or where Debian keeps daemons.

    Args:
        name: The command's name.

    Returns:
        Its path, or None.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_DAEMON_FOLDERS))
    return shutil.which(name, path=path)


def ensure_commands(packages: Mapping[str, str]) -> None:
    """Have every command at hand, installing the Debian packages of those that are missing.

    A daemon that a package brings is not started by its installation.

    Args:
        packages: The Debian package for each command. A key with a slash is a file pattern instead, for packages
            that bring no command.

    Raises:
        NotInstallable: Some are missing, and this is not Debian or we are not root.
        PackagesMissing: Some are missing, and apt-get failed.
    """
    missing = _missing(packages)
    if not missing:
        return
    wanted = sorted({packages[command] for command in missing})
    hint = f"missing: {', '.join(missing)}; install with: apt-get install --no-install-recommends {' '.join(wanted)}"
    if shutil.which("apt-get") is None:
        raise NotInstallable(f"{hint} (package names are Debian's; this machine has no apt-get)")
    if os.geteuid() != 0:
        raise NotInstallable(f"{hint} (as root)")
    say(f"installing Debian packages: {' '.join(wanted)} (their daemons are not started)")
    with _daemons_stay_stopped():
        _apt("update")
        _apt("install", "--yes", "--no-install-recommends", *wanted)
    missing = _missing(packages)
    if missing:
        raise PackagesMissing(f"still missing after the installation of {' '.join(wanted)}: {', '.join(missing)}")


def _missing(packages: Mapping[str, str]) -> list[str]:
    return [command for command in packages if not (glob.glob(command) if "/" in command else find_command(command))]


def _apt(*arguments: str) -> None:
    command: Sequence[str] = (*_APT, *arguments)
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
    )
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-15:])
        raise PackagesMissing(f"{' '.join(command)} ended with {result.returncode}:\n{tail}")


@contextmanager
def _daemons_stay_stopped() -> Iterator[None]:
    """Forbid package scripts to start services, as Debian's policy lets an administrator do."""
    if _POLICY.exists():
        # The administrator has a policy; it is not ours to replace.
        yield
        return
    try:
        _POLICY.write_text(_POLICY_TEXT)
        _POLICY.chmod(0o755)
        yield
    finally:
        _POLICY.unlink(missing_ok=True)
