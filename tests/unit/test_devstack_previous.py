"""The version before this one, found in histories of several shapes."""

import subprocess
from pathlib import Path

import pytest

from fairlead_devstack.previous import extract, previous_commit


class History:
    """A repository with a chart in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
        command = ["git", "-C", str(self.folder), *identity, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    def commit(self, version: str | None = None, **files: str) -> str:
        """Commit, with another version of the chart when one is given, and return the commit."""
        if version is not None:
            files["charts/fairlead/Chart.yaml"] = f"name: fairlead\nversion: {version}\n"
        for path, text in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def history(tmp_path: Path) -> History:
    (tmp_path / "checkout").mkdir()
    return History(tmp_path / "checkout")


def test_it_is_the_last_commit_before_the_version_was_cut(history: History, tmp_path: Path) -> None:
    history.commit("0.1.0")
    wanted = history.commit(code="old")
    history.commit("0.2.0")
    history.commit(code="new")
    assert previous_commit(history.folder) == wanted
    extract(wanted, tmp_path / "tree", history.folder)
    assert (tmp_path / "tree" / "code").read_text() == "old"
    assert not (tmp_path / "tree" / ".git").exists()


def test_a_version_that_is_cut_but_not_committed_counts(history: History) -> None:
    history.commit("0.1.0")
    wanted = history.commit("0.2.0")
    (history.folder / "charts/fairlead/Chart.yaml").write_text("version: 0.3.0\n")
    assert previous_commit(history.folder) == wanted


def test_the_first_version_has_none(history: History) -> None:
    history.commit("0.1.0")
    history.commit(code="more")
    assert previous_commit(history.folder) is None


def test_a_shallow_clone_has_none(history: History, tmp_path: Path) -> None:
    history.commit("0.1.0")
    history.commit("0.2.0")
    shallow = tmp_path / "shallow"
    history.git("clone", "--quiet", "--depth=1", f"file://{history.folder}", str(shallow))
    assert previous_commit(shallow) is None


def test_a_tree_without_history_has_none(history: History, tmp_path: Path) -> None:
    extract(history.commit("0.1.0"), tmp_path / "tree", history.folder)
    assert previous_commit(tmp_path / "tree") is None
