"""Debian packages of a single test, beyond those that `make test` installs."""

from collections.abc import Mapping

import pytest

from fairlead_devstack.debian import NotInstallable, ensure_commands


def need_commands(packages: Mapping[str, str]) -> None:
    """Install what is missing; skip the test where nothing can be installed.

    Args:
        packages: the Debian package of each command.
    """
    try:
        ensure_commands(packages)
    except NotInstallable as error:
        pytest.skip(str(error))
