"""Start processes, by choice tied to this one's life."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from fairlead_devstack import tether

_Job = tuple[Future[subprocess.Popen[bytes]], list[str], Mapping[str, str] | None, Path | None, IO[bytes] | int]


class _Spawner:
    """A thread that starts tethered processes and ends with this process, never before.

    The kernel calls the *thread* that forked the parent, and kills the child when that thread ends. A worker thread of
    a test or of asyncio may end at any time; this one only waits for the next job.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        threading.Thread(target=self._serve, name="tethered-process-spawner", daemon=True).start()

    def run(
        self, command: list[str], env: Mapping[str, str] | None, cwd: Path | None, output: IO[bytes] | int
    ) -> subprocess.Popen[bytes]:
        future: Future[subprocess.Popen[bytes]] = Future()
        self._jobs.put((future, command, env, cwd, output))
        return future.result()

    def _serve(self) -> None:
        while True:
            future, command, env, cwd, output = self._jobs.get()
            try:
                future.set_result(_popen(command, env, cwd, output))
            except BaseException as error:
                future.set_exception(error)


_lock = threading.Lock()
_spawner: _Spawner | None = None


def spawn(
    command: Sequence[str],
    *,
    output: IO[bytes] | int,
    tethered: bool,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own, without standard input.

    A session of its own keeps the terminal's Ctrl-C away from it: whoever started it also decides the order in which
    things end.

    Args:
        command: Program and arguments.
        output: Where stdout and stderr go: an open file or one of ``subprocess``'s constants.
        tethered: Whether the process is killed when this one dies, however it dies.
        env: The environment; this process's own if None.
        cwd: The working folder; this process's own if None.

    Returns:
        The running process.

    Raises:
        OSError: The program cannot be executed. A tethered one reports that in its output and exit code instead.
    """
    if not tethered:
        return _popen(list(command), env, cwd, output)
    # -I and -S: nothing of the environment or of site-packages decides how the tether behaves.
    launcher = [sys.executable, "-I", "-S", tether.__file__, str(os.getpid())]
    return _current_spawner().run([*launcher, *command], env, cwd, output)


def _current_spawner() -> _Spawner:
    global _spawner
    with _lock:
        # A forked child inherits the object but not the thread.
        if _spawner is None or _spawner.pid != os.getpid():
            _spawner = _Spawner()
        return _spawner


def _popen(
    command: list[str], env: Mapping[str, str] | None, cwd: Path | None, output: IO[bytes] | int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=env,
        cwd=cwd,
        start_new_session=True,
    )
