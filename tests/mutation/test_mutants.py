"""Each mutant of the list must turn a test red, so that no test on it is one that cannot fail.

The tests run against a copy of the sources with the change in it; the checkout is not touched.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead_devstack.scratch import ScratchFolder
from mutation.mutants import MUTANTS, Edit, Mutant

CHECKOUT = Path(__file__).parents[2]
ROOTS = ("crds", "kube", "telemetry", "operator", "api", "devstack", "bench")
LIMIT = 300
TESTS_FAILED = 1
"""pytest's exit code for "ran, and some failed"; anything else says nothing about the promise."""

pytestmark = pytest.mark.mutation


@pytest.fixture
def copy() -> Iterator[Path]:
    """A copy of the sources and the tests."""
    with ScratchFolder("mutant") as scratch:
        for root in (*ROOTS, "tests"):
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(CHECKOUT / root, scratch.path / root, ignore=ignored)
        shutil.copy(CHECKOUT / "pyproject.toml", scratch.path)
        yield scratch.path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name.replace(" ", "-"))
def test_the_mutant_is_noticed(copy: Path, mutant: Mutant) -> None:
    for edit in mutant.edits:
        apply(copy, edit)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(str(copy / root) for root in ROOTS)}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *mutant.tests]
    done = subprocess.run(
        command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    said = f"{done.stdout[-4000:]}{done.stderr[-2000:]}"
    assert done.returncode == TESTS_FAILED, f"{mutant.name}: exit {done.returncode}\n{said}"


def apply(copy: Path, edit: Edit) -> None:
    """Make one change in the copy."""
    path = copy / edit.file
    text = path.read_text()
    assert text.count(edit.old) == 1, f"{edit.file}: the text of the mutant stands there {text.count(edit.old)} times"
    path.write_text(text.replace(edit.old, edit.new))
