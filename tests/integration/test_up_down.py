"""`make up` and `make down`: one stack in the background, begun once, ended completely."""

import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from kubernetes import client

from fairlead_devstack.api_client import connect
from fairlead_devstack.component import kill_recorded
from fairlead_devstack.interruption import EXIT_CODE
from leftovers import processes_of

_LIMIT = 120.0


def _run(command: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", f"fairlead_devstack.{command}", "--folder", str(folder), *more],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )


def _environment(folder: Path) -> dict[str, str]:
    """What a shell has after `source env`."""
    command = ["sh", "-c", f". '{folder}/env' && env -0"]
    output = subprocess.run(command, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=True)
    return dict(item.split("=", 1) for item in output.stdout.split("\0") if item)


def test_up_serves_until_down_and_each_can_be_repeated(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    try:
        first = _run("up", folder)
        assert first.returncode == 0, first.stderr
        before = _environment(folder)
        with connect(Path(before["KUBECONFIG"])) as api:
            backend = client.CustomObjectsApi(api).get_cluster_custom_object(
                "fairlead.dev", "v1alpha1", "backends", "local"
            )
        assert [c["status"] for c in backend["status"]["conditions"]] == ["True"]
        volumes = f"{before['FAIRLEAD_URL']}/v3/{before['FAIRLEAD_PROJECT']}/volumes"
        with urllib.request.urlopen(volumes, timeout=10) as answer:
            assert answer.status == 200

        second = _run("up", folder)
        assert second.returncode == 0
        assert "up already" in second.stderr
        assert _environment(folder) == before
    finally:
        down = _run("down", folder)
    assert down.returncode == 0, down.stderr
    assert not folder.exists()
    assert processes_of(folder) == []

    again = _run("down", folder)
    assert again.returncode == 0
    assert "nothing is up" in again.stderr


def test_a_broken_stack_is_named_and_down_ends_even_what_nobody_recorded(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    try:
        assert _run("up", folder).returncode == 0
        kill_recorded(folder / "stack", ["operator"])

        broken = _run("up", folder)

        assert broken.returncode == 1
        assert "operator not running" in broken.stderr
        assert "make down" in broken.stderr
        # As when a start is killed between beginning a process and writing its record.
        for record in (*folder.glob("stack/*.pid"), *folder.glob("control-plane/logs/*.pid")):
            record.unlink()
    finally:
        _run("down", folder)
    assert not folder.exists()
    assert processes_of(folder) == []


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        ("starting etcd", signal.SIGKILL, -signal.SIGKILL),
        ("starting fairlead-operator", signal.SIGINT, EXIT_CODE),
    ],
    ids=["killed early", "ctrl-c late"],
)
def test_an_up_that_was_broken_off_leaves_nothing_after_down(
    tmp_path: Path, moment: str, number: signal.Signals, code: int
) -> None:
    folder = tmp_path / "run"
    up = subprocess.Popen(
        [sys.executable, "-m", "fairlead_devstack.up", "--folder", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert up.stderr is not None
        assert any(moment in line for line in up.stderr)
        up.send_signal(number)
        up.communicate(timeout=_LIMIT)
    finally:
        down = _run("down", folder)
    assert up.returncode == code
    assert down.returncode == 0, down.stderr
    assert not folder.exists()
    assert processes_of(folder) == []


def test_down_touches_no_folder_that_holds_something_else(tmp_path: Path) -> None:
    folder = tmp_path / "precious"
    folder.mkdir()
    (folder / "thesis.tex").write_text("irreplaceable")
    try:
        answer = _run("down", folder)
        assert answer.returncode == 1
        assert (folder / "thesis.tex").exists()
    finally:
        shutil.rmtree(folder)
