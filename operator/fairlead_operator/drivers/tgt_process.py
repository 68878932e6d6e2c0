"""tgtd as a process: where it is installed, which ones belong to a run folder, starting one, ending one.

A tgtd that Fairlead starts has its run folder as working directory, and that is the proof by which it is found again
after the operator was killed: no pid file that could lie, no number that could have passed to another process. It
ignores SIGTERM, so ending one means its own `system delete` (see `tgt_daemon`) or SIGKILL.
"""

import contextlib
import os
import resource
import select
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

from fairlead_operator.drivers.base import DriverUnavailable

LOG_NAME = "tgtd.log"
LOG_LIMIT = 16 * 1024 * 1024
"""Bytes after which tgtd's log is moved aside; it writes a line for every refused login."""

_SYSTEM_FOLDERS = "/usr/sbin:/sbin"
_END_LIMIT = 10.0


def find_tgtd(search_path: str | None = None) -> str:
    """The program's path.

    Args:
        search_path: folders to look in, as in $PATH; None means $PATH and then where Debian keeps system programs,
            which is not in the $PATH of ordinary users.

    Raises:
        DriverUnavailable: when it is not installed.
    """
    folders = f"{os.environ.get('PATH', '')}:{_SYSTEM_FOLDERS}" if search_path is None else search_path
    found = shutil.which("tgtd", path=folders)
    if found is None:
        raise DriverUnavailable(
            "tgtd, the iSCSI target daemon, is not installed: install Debian package tgt (apt-get install tgt), "
            "or set the parameter socketPath to use one that runs already"
        )
    return found


def find_running(run_folder: Path) -> list[int]:
    """Every live tgtd of this run folder."""
    wanted = os.path.realpath(run_folder)
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _is_tgtd_of(pid, wanted)]


def life_of(pid: int) -> str | None:
    """Names one process for good: its pid and the tick at which it started. None when there is no such process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    # Field 3 of proc(5) is the state, field 22 the start time; a zombie has ended.
    return None if fields[0] == "Z" else f"{pid}-{fields[19]}"


def start_tgtd(run_folder: Path, *, socket_stem: str, portal: str, io_threads: int) -> int:
    """Start tgtd in its run folder, in a session of its own so that it outlives this process. Returns its pid.

    The socket's name is relative to the run folder, because a socket's full path may have no more than 107 bytes. tgtd
    adds `.0`, its control port.
    """
    program = find_tgtd()
    turn_log(run_folder)
    command = [program, "-f", "-C", "0", "-t", str(io_threads), "--iscsi", f"portal={portal}"]
    with (run_folder / LOG_NAME).open("ab") as log:
        child = subprocess.Popen(
            command,
            cwd=run_folder,
            env={"TGT_IPC_SOCKET": socket_stem, "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=0o077,
        )
    _allow_files(child.pid)
    # It is not ours to wait for: whoever watches it does so by a process descriptor, also after a restart of the
    # operator. Without this, forgetting the object would warn about a child that still runs.
    child.returncode = 0
    return child.pid


def _allow_files(pid: int) -> None:
    """As many open files as its owner may have: it needs one for each target, and many systems begin with 1,024."""
    with contextlib.suppress(ProcessLookupError):
        _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))


def turn_log(run_folder: Path) -> None:
    """Move a long log aside. tgtd appends, so emptying the file under its hands is safe."""
    log = run_folder / LOG_NAME
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > LOG_LIMIT:
            shutil.copyfile(log, log.with_name(f"{LOG_NAME}.1"))
            os.truncate(log, 0)


def log_tail(run_folder: Path, since: int) -> str:
    """What tgtd wrote after byte `since` of its log, its last lines, for an error message."""
    try:
        with (run_folder / LOG_NAME).open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace").strip()[-600:]
    except OSError:
        return ""


def log_length(run_folder: Path) -> int:
    """Bytes in tgtd's log."""
    try:
        return (run_folder / LOG_NAME).stat().st_size
    except OSError:
        return 0


def reap(pid: int) -> None:
    """Collect the exit status when it is our child; somebody else's child is init's."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def open_pidfd(pid: int) -> int | None:
    """A descriptor that becomes readable when the process ends; None when there is no such process."""
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def kill_tgtd(pid: int, run_folder: Path) -> None:
    """Kill a tgtd of this run folder, and nothing else, and wait until it has ended."""
    handle = open_pidfd(pid)
    if handle is None:
        return
    try:
        # The descriptor holds the process, so what is proven now is still true when the signal goes out.
        if _is_tgtd_of(pid, os.path.realpath(run_folder)):
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            if not wait_end(handle, _END_LIMIT):
                raise DriverUnavailable(f"tgtd (pid {pid}) did not end within {_END_LIMIT:g} s of being killed")
    finally:
        os.close(handle)
        reap(pid)


def wait_end(handle: int, limit: float) -> bool:
    """Wait until the process behind a descriptor ends, at most `limit` seconds; True when it has."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(limit * 1000))


def management_connections(pid: int) -> int:
    """How many management connections a tgtd has accepted and not yet closed.

    Raises:
        PermissionError: when the process belongs to somebody else.
    """
    inodes = set(_connected_unix_inodes())
    count = 0
    for descriptor in os.scandir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(descriptor.path)
            count += target.startswith("socket:[") and target[8:-1] in inodes
    return count


def _connected_unix_inodes() -> Sequence[str]:
    # Columns of /proc/net/unix: Num RefCount Protocol Flags Type St Inode Path; stream is 0001, connected is 03.
    rows = (line.split() for line in Path("/proc/net/unix").read_text().splitlines()[1:])
    return [row[6] for row in rows if row[4] == "0001" and row[5] == "03"]


def _is_tgtd_of(pid: int, run_folder: str) -> bool:
    try:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        return name == "tgtd" and os.readlink(f"/proc/{pid}/cwd") == run_folder and life_of(pid) is not None
    except OSError:
        return False
