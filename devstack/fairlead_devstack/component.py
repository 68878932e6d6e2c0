"""One server process of the control plane: started, watched until ready, hurt at will, ended."""

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fairlead_devstack.spawn import spawn

_POLL = 0.05
_TAIL_LINES = 25
_BIND_LOST = ("address already in use",)


class ComponentFailed(Exception):
    """A component ended or did not become ready; the message has the end of its log."""


class PortLost(ComponentFailed):
    """A component ended because somebody else had taken its port."""


class Component:
    """A server process with a log file and a pid file in its folder.

    Attributes:
        name: Its name, also that of its files.
        log_path: Where its output goes; restarts append.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        ready: Callable[[], bool],
        tethered: bool,
        ready_timeout: float,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the process; nothing is started yet.

        Args:
            name: A name for messages and files.
            command: Program and arguments.
            folder: Where ``<name>.log`` and ``<name>.pid`` are written.
            ready: Tells whether it serves; must not raise because it does not.
            tethered: Whether it is killed when this process dies.
            ready_timeout: Seconds that ``wait_ready`` waits.
            environment: The process's environment; this one's if None.
        """
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._pid_path = folder / f"{name}.pid"
        self._command = list(command)
        self._ready = ready
        self._tethered = tethered
        self._ready_timeout = ready_timeout
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """The process's pid.

        Raises:
            ComponentFailed: It is not running.
        """
        if self._process is None or self._process.poll() is not None:
            raise ComponentFailed(f"{self.name} is not running")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process exists (a stopped one does)."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process without waiting for it to serve.

        Raises:
            ComponentFailed: It is running already.
        """
        if self.alive:
            raise ComponentFailed(f"{self.name} is already running as pid {self.pid}")
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = spawn(self._command, output=log, tethered=self._tethered, env=self._environment)
        self._pid_path.write_text(f"{self._process.pid} {_start_time(self._process.pid)}\n")

    def wait_ready(self) -> None:
        """Wait until the component serves.

        Raises:
            PortLost: It ended because its port was taken.
            ComponentFailed: It ended for another reason, or the time is over.
        """
        deadline = time.monotonic() + self._ready_timeout
        while not self._ready():
            if not self.alive:
                code = None if self._process is None else self._process.returncode
                raise self._failure(f"ended with {code} before it was ready")
            if time.monotonic() > deadline:
                raise self._failure(f"was not ready after {self._ready_timeout:.0f} s")
            time.sleep(_POLL)

    def kill(self) -> None:
        """End the process at once (SIGKILL) and wait until it is gone; nothing happens if it is not running."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pid_path.unlink(missing_ok=True)

    def terminate(self, *, patience: float = 20.0) -> None:
        """Ask the process to end (SIGTERM), wait, and kill it when it does not.

        Args:
            patience: Seconds to wait before it is killed.
        """
        if self._process is not None and self.alive:
            self._process.terminate()
            # A frozen process cannot hear the request.
            self._process.send_signal(signal.SIGCONT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        self.kill()

    def stop_signal(self) -> None:
        """Freeze the process (SIGSTOP): it keeps its connections and answers nothing.

        Raises:
            ComponentFailed: It is not running.
        """
        os.kill(self.pid, signal.SIGSTOP)

    def cont(self) -> None:
        """Let a frozen process go on (SIGCONT).

        Raises:
            ComponentFailed: It is not running.
        """
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Kill the process if it runs, start it with the same ports and data, and wait until it serves.

        Raises:
            ComponentFailed: It ended or did not become ready.
        """
        self.kill()
        self.start()
        self.wait_ready()

    def _failure(self, what: str) -> ComponentFailed:
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        lost = not self.alive and any(sign in line for line in lines for sign in _BIND_LOST)
        tail = "\n".join(lines[-_TAIL_LINES:]) or "(nothing)"
        kind = PortLost if lost else ComponentFailed
        return kind(f"{self.name} {what}; the end of {self.log_path}:\n{tail}")


def kill_recorded(folder: Path, names: Sequence[str]) -> list[str]:
    """Kill components that another process started and left running, in the order given.

    The pid file also has the process's start time, so that a stranger who got the pid later is left alone.

    Args:
        folder: Where the pid files are.
        names: The components' names.

    Returns:
        The names of those that were running.
    """
    killed = []
    for name in names:
        record = folder / f"{name}.pid"
        try:
            pid, started = record.read_text().split()
        except (FileNotFoundError, ValueError):
            continue
        if _kill_if_same(int(pid), started):
            killed.append(name)
        record.unlink(missing_ok=True)
    return killed


def recorded_alive(folder: Path, names: Sequence[str]) -> set[str]:
    """Tell which components run, whoever started them.

    Args:
        folder: Where the pid files are.
        names: The components' names.

    Returns:
        The names of those that run.
    """
    alive = set()
    for name in names:
        with contextlib.suppress(FileNotFoundError, ValueError):
            pid, started = (folder / f"{name}.pid").read_text().split()
            if _start_time(int(pid)) == started:
                alive.add(name)
    return alive


def _kill_if_same(pid: int, started: str) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The handle keeps the pid from meaning somebody else between this check and the signal.
        if _start_time(pid) != started:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        poller = select.poll()
        poller.register(handle, select.POLLIN)
        poller.poll()
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def _start_time(pid: int) -> str:
    """Read when a process started, in clock ticks since boot (proc(5), field 22 of stat)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return "gone"
    # The second field, the name in parentheses, may hold anything, spaces included.
    return stat.rpartition(")")[2].split()[19]
