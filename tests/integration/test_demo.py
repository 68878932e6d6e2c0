"""`make demo`: it shows the whole job, and leaves nothing behind whether it ends by itself or is interrupted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fairlead_devstack.demo.narration import CheckFailed, check
from fairlead_devstack.interruption import EXIT_CODE
from leftovers import processes_of
from waiting import wait_for

_LIMIT = 120.0


@contextmanager
def _demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo, with its scratch folder in the test's own."""
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "fairlead_devstack.demo"],
        env={**os.environ, "TMPDIR": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
    )
    try:
        with process:
            yield process
            process.kill()
    finally:
        process.kill()


def _read_until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    heard = []
    for line in process.stdout:
        heard.append(line)
        if text in line:
            return
    raise AssertionError(f"{text!r} never came:\n{''.join(heard)}")


def _is_clean(folder: Path) -> bool:
    assert list(folder.iterdir()) == []
    assert processes_of(folder) == []
    return True


def test_it_shows_both_doors_and_ends_with_a_table(tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    with _demo(scratch) as demo:
        output, _ = demo.communicate(timeout=_LIMIT)

    assert demo.returncode == 0, output
    table = output.partition("What was attached where")[2]
    rows = [line.split() for line in table.splitlines() if line.strip().startswith(("kubectl", "REST"))]
    assert [row[:3] for row in rows] == [
        ["kubectl", "ledger", "node-a"],
        ["kubectl", "ledger", "node-b"],
        ["REST", "archive", "node-c"],
    ]
    assert output.count("ok: the same login is refused now") == 3
    passwords = {word.partition('"')[0] for word in output.split('"auth_password": "')[1:]}
    assert passwords == {"***"}
    assert _is_clean(scratch)


@pytest.mark.parametrize(
    ("moment", "number"),
    [("Kubernetes v", signal.SIGTERM), ("ok: node-a has a live session", signal.SIGINT)],
    ids=["sigterm while it starts", "ctrl-c while a node is attached"],
)
def test_an_interrupted_one_leaves_nothing(tmp_path: Path, moment: str, number: signal.Signals) -> None:
    scratch = tmp_path / "scratch"
    with _demo(scratch) as demo:
        _read_until(demo, moment)
        demo.send_signal(number)
        output, _ = demo.communicate(timeout=_LIMIT)

    assert demo.returncode == EXIT_CODE, output
    assert "interrupted" in output
    assert wait_for(lambda: _is_clean(scratch), what="nothing is left")


def test_a_check_that_does_not_hold_says_so_and_ends_the_demo() -> None:
    with pytest.raises(CheckFailed, match="not so: the sky is green"):
        check(False, "the sky is green")
