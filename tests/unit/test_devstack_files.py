"""The development stack's own files: scratch folders, audit log, kubeconfig, users, ports."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
import yaml

from fairlead_devstack.audit import AuditEntry, AuditLog
from fairlead_devstack.kubeconfig import write_kubeconfig
from fairlead_devstack.ports import free_port
from fairlead_devstack.scratch import ScratchFolder, sweep
from fairlead_devstack.tokens import TokenFile

OWNER = """
import subprocess
import sys
from fairlead_devstack.scratch import ScratchFolder
folder = ScratchFolder("test")
(folder.path / "run").mkdir()
daemon = subprocess.Popen(
    [sys.executable, "-c", "import signal; signal.pause()"],
    cwd=folder.path / "run",
    stdin=subprocess.DEVNULL,
    stdout=subprocess.DEVNULL,
    start_new_session=True,
)
print(folder.path, daemon.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_a_scratch_folder_is_gone_after_its_block(temporary: Path) -> None:
    with ScratchFolder("test") as scratch:
        assert scratch.path.parent == temporary
        (scratch.path / "data").write_text("x")
    assert list(temporary.iterdir()) == []


def test_a_killed_owners_scratch_folder_is_swept_with_its_daemons_and_a_living_owners_is_not(temporary: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    with owner:
        assert owner.stdout is not None
        path, pid = owner.stdout.readline().split()
        folder = Path(path)
        sweep()
        assert folder.is_dir()
        owner.send_signal(signal.SIGKILL)
    sweep()
    assert not folder.exists()
    # Its daemon is gone with it; as somebody else's child it may be a zombie for a moment.
    assert not Path(f"/proc/{pid}/exe").exists()


def test_a_folder_that_only_looks_like_a_scratch_folder_is_left_alone(temporary: Path) -> None:
    stranger = temporary / "fairlead-notes"
    stranger.mkdir()
    sweep()
    assert stranger.is_dir()


def line(name: str) -> str:
    event = {
        "verb": "patch",
        "user": {"username": "eve"},
        "objectRef": {"resource": "attachments", "subresource": "status", "namespace": "ns", "name": name},
        "responseStatus": {"code": 200},
    }
    return json.dumps(event)


def test_the_audit_log_is_read_from_a_mark_to_the_last_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    log = AuditLog(path)
    assert log.mark() == 0
    assert log.since(0) == []
    path.write_text(line("before") + "\n")
    mark = log.mark()
    with path.open("a") as file:
        file.write(line("after") + "\n" + line("unfinished")[:40])
    assert log.since(mark) == [AuditEntry("patch", "attachments", "status", "ns", "after", "eve", 200)]


def test_a_kubeconfig_stands_by_itself_and_is_its_owners_only(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "kubeconfig", server="https://s", ca_pem=b"PEM", token="t", user="eve")
    document = yaml.safe_load(path.read_text())
    cluster = document["clusters"][0]["cluster"]
    assert cluster == {"server": "https://s", "certificate-authority-data": base64.b64encode(b"PEM").decode()}
    assert document["users"] == [{"name": "eve", "user": {"token": "t"}}]
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_token_file_has_a_line_per_user_as_the_api_server_reads_it(tmp_path: Path) -> None:
    users = TokenFile()
    admin, eve = users.add("admin", ["system:masters"]), users.add("eve", ["a", "b"])
    users.write(tmp_path / "tokens.csv")
    assert (tmp_path / "tokens.csv").read_text() == f'{admin},admin,admin,system:masters\n{eve},eve,eve,"a,b"\n'
    assert (tmp_path / "tokens.csv").stat().st_mode & 0o777 == 0o600


def test_a_free_port_can_be_bound_and_is_outside_the_ephemeral_range() -> None:
    port = free_port()
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert port < lowest or lowest < 13000
