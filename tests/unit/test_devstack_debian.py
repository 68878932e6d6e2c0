"""Debian packages are installed when they may be, and asked for when they may not."""

import os
from pathlib import Path

import pytest

from fairlead_devstack import debian
from fairlead_devstack.debian import NotInstallable, PackagesMissing, ensure_commands

# Notes its arguments and whether services may be started, and "installs" what the test put aside.
APT = """\
#!/bin/sh
echo "$*" >> "{root}/calls"
[ -x "{root}/policy-rc.d" ] && "{root}/policy-rc.d" tgt start; echo "policy $?" >> "{root}/calls"
case "$*" in *" install "*) [ -e "{root}/aside/tgtd" ] && mv "{root}/aside/tgtd" "{root}/bin/tgtd" ;; esac
exit 0
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian where nothing is installed but apt-get; tgt can be."""
    for folder in ("bin", "aside"):
        (tmp_path / folder).mkdir()
    for path, text in ((tmp_path / "bin" / "apt-get", APT.format(root=tmp_path)), (tmp_path / "aside" / "tgtd", "")):
        path.write_text(text)
        path.chmod(0o755)
    (tmp_path / "bin" / "mv").symlink_to("/bin/mv")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(debian, "_DAEMON_FOLDERS", ())
    monkeypatch.setattr(debian, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return tmp_path


def calls(machine: Path) -> list[str]:
    path = machine / "calls"
    return path.read_text().splitlines() if path.exists() else []


def test_nothing_is_done_when_every_command_is_there(machine: Path) -> None:
    ensure_commands({"apt-get": "apt", str(machine / "b*" / "apt-get"): "apt"})
    assert calls(machine) == []


def test_missing_packages_are_installed_without_starting_their_daemons(machine: Path) -> None:
    ensure_commands({"tgtd": "tgt"})
    update, forbidden, install, forbidden_too = calls(machine)
    assert update.endswith("update")
    assert install.endswith("install --yes --no-install-recommends tgt")
    assert (forbidden, forbidden_too) == ("policy 101", "policy 101")
    assert not (machine / "policy-rc.d").exists()


def test_an_administrators_own_policy_is_left_alone(machine: Path) -> None:
    (machine / "policy-rc.d").write_text("theirs")
    ensure_commands({"tgtd": "tgt"})
    assert (machine / "policy-rc.d").read_text() == "theirs"


def test_an_ordinary_user_is_told_the_packages_and_the_command(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NotInstallable, match=r"missing: tgtd; .*apt-get install .* tgt \(as root\)"):
        ensure_commands({"tgtd": "tgt"})
    assert calls(machine) == []


def test_another_distribution_is_told_the_packages(machine: Path) -> None:
    (machine / "bin" / "apt-get").unlink()
    with pytest.raises(NotInstallable, match="no apt-get"):
        ensure_commands({"tgtd": "tgt"})


def test_a_package_that_does_not_bring_its_command_is_an_error(machine: Path) -> None:
    (machine / "aside" / "tgtd").unlink()
    with pytest.raises(PackagesMissing, match="still missing after the installation of tgt: tgtd") as caught:
        ensure_commands({"tgtd": "tgt"})
    assert not isinstance(caught.value, NotInstallable)
