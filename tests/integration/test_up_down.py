"""`make up` and `make down`: one stack in the background, begun once, ended completely."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from fairlead_devstack.api_client import connect
from fairlead_devstack.component import kill_recorded
from fairlead_devstack.interruption import EXIT_CODE
from leftovers import processes_of
from packages import need_commands

README = Path(__file__).parents[2] / "README.md"

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


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a stack that is up."""
    folder = tmp_path_factory.mktemp("up") / "run"
    try:
        started = _run("up", folder)
        assert started.returncode == 0, started.stderr
        yield folder
    finally:
        down = _run("down", folder)
    assert down.returncode == 0, down.stderr
    assert processes_of(folder) == []


def test_what_env_names_serves(up: Path) -> None:
    environment = _environment(up)
    with connect(Path(environment["KUBECONFIG"])) as api:
        backend = client.CustomObjectsApi(api).get_cluster_custom_object(
            "fairlead.dev", "v1alpha1", "backends", "local"
        )
    assert [c["status"] for c in backend["status"]["conditions"]] == ["True"]
    volumes = f"{environment['FAIRLEAD_URL']}/v3/{environment['FAIRLEAD_PROJECT']}/volumes"
    with urllib.request.urlopen(volumes, timeout=10) as answer:
        assert answer.status == 200


def test_a_second_up_says_that_it_is_up_and_changes_nothing(up: Path) -> None:
    before = (up / "env").read_text()

    second = _run("up", up)

    assert second.returncode == 0
    assert "up already" in second.stderr
    assert (up / "env").read_text() == before


def test_openstacks_clients_find_all_they_need_in_env(up: Path) -> None:
    environment = {"HOME": str(up), **_environment(up)}
    code = "import openstack; print(len(list(openstack.connect().block_storage.attachments())))"
    by_sdk = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=_LIMIT, check=False
    )
    assert by_sdk.stdout.strip() == "0", by_sdk.stderr
    by_cinder = subprocess.run(
        [sys.executable, "-m", "cinderclient.shell", "attachment-list"],
        env={**environment, "OS_AUTH_TYPE": "noauth"},
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )
    assert by_cinder.returncode == 0, by_cinder.stderr


def test_the_readmes_commands_work_as_they_stand(up: Path) -> None:
    need_commands({"curl": "curl", "jq": "jq", "iscsi-inq": "libiscsi-bin"})
    blocks = re.findall(r"^```sh\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)
    commands = "\n".join(blocks)
    assert commands.startswith("make up\nsource .run/env\n")
    commands = commands.removeprefix("make up\n").replace(".run/env", f"'{up}/env'")

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert said.count("Vendor:IET     ") == 2
    assert [line.rpartition("}")[2] for line in said].count("refused") == 2
    assert "in-use" in said


def test_down_with_nothing_up_says_so(tmp_path: Path) -> None:
    answer = _run("down", tmp_path / "run")
    assert answer.returncode == 0
    assert "nothing is up" in answer.stderr


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


@pytest.mark.parametrize("command", ["up", "down"])
def test_a_folder_that_is_something_else_is_left_alone(tmp_path: Path, command: str) -> None:
    (tmp_path / "thesis.tex").write_text("irreplaceable")

    answer = _run(command, tmp_path)

    assert answer.returncode == 1
    assert "was not made by make up" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
