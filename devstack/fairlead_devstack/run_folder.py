"""The folder of the stack in the background: what is in it, whether the stack in it runs, and its complete removal.

Its processes are found again by the pid files that starting them left, and, for one whose start was cut short, by a
mark in its environment. `env` comes last: a folder without it holds a stack that never came up.
"""

import contextlib
import fcntl
import os
import select
import shlex
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from fairlead_devstack.component import kill_recorded, recorded_alive
from fairlead_devstack.control_plane import stop_recorded
from fairlead_devstack.stack import stop_daemons

DEFAULT = Path(__file__).parents[2] / ".run"
BACKEND = "local"

_MARK = "FAIRLEAD_RUN_FOLDER"
_PROCESSES = ("facade", "operator")
_CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager")


class RunFolderBusy(Exception):
    """Another command is at work on the folder."""


class NotARunFolder(Exception):
    """The folder is something else."""


class RunFolder:
    """See the module.

    Attributes:
        path: the folder.
        control_plane: the control plane's data.
        stack: data, logs and kubeconfigs of Fairlead itself.
        env: settings for shells and clients; there once everything serves.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.control_plane = self.path / "control-plane"
        self.stack = self.path / "stack"
        self.env = self.path / "env"
        self._sign = self.path / ".fairlead-run"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other commands off the folder meanwhile.

        Raises:
            RunFolderBusy: one is at work already.
        """
        # The lock is on a folder around it: that one is there before and after.
        around = next(folder for folder in self.path.parents if folder.is_dir())
        descriptor = os.open(around, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise RunFolderBusy(f"another make up or make down is at work on {self.path}") from None
        finally:
            os.close(descriptor)

    def begin(self) -> None:
        """Make the folder, and mark this process's children as its own.

        Raises:
            NotARunFolder: it is there and something else.
        """
        self._require_ours()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sign.touch()
        for folder in (self.control_plane, self.stack):
            folder.mkdir(exist_ok=True)
        os.environ[_MARK] = str(self.path)

    def publish(self, variables: Mapping[str, str], *, kubectl: Path) -> None:
        """Write `env`, whole or not at all, for `source` in a POSIX shell; `kubectl` is a command there."""
        lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
        if shutil.which(kubectl.name) is None:
            lines.append(f"export PATH={shlex.quote(str(kubectl.parent))}:$PATH")
        partial = self.env.with_name("env.new")
        partial.write_text("\n".join(lines) + "\n")
        partial.replace(self.env)

    def missing(self) -> list[str]:
        """The processes that should run and do not."""
        alive = recorded_alive(self.control_plane / "logs", _CONTROL_PLANE)
        alive |= recorded_alive(self.stack, _PROCESSES)
        return [name for name in (*_CONTROL_PLANE, *reversed(_PROCESSES)) if name not in alive]

    def clear(self) -> list[str]:
        """End every process of the stack and remove the folder; nothing happens if there is none.

        Returns:
            The names of what was ended.

        Raises:
            NotARunFolder: it is no stack's folder; nothing was touched.
        """
        self._require_ours()
        # First who would start things anew: the operator watches over tgtd. The API server goes after its clients.
        ended = kill_recorded(self.stack, _PROCESSES)
        if (self.stack / BACKEND).is_dir():
            stop_daemons(self.stack / BACKEND)
        ended += stop_recorded(self.control_plane)
        ended += [f"process {pid}" for pid in self._end_marked()]
        # A marked operator may have had a tgtd of its own.
        if (self.stack / BACKEND).is_dir():
            stop_daemons(self.stack / BACKEND)
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(self.path)
        return ended

    def _require_ours(self) -> None:
        """What is removed whole must have been made here; an empty folder may be anybody's."""
        if self.path.exists() and not self._sign.exists() and any(self.path.iterdir()):
            raise NotARunFolder(f"{self.path} was not made by make up; name another folder, or remove it yourself")

    def _end_marked(self) -> list[int]:
        """End the processes whose environment says that they are this folder's, this process excepted."""
        wanted = f"{_MARK}={self.path}".encode()
        ended = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            if pid == os.getpid():
                continue
            with contextlib.suppress(ProcessLookupError, FileNotFoundError, PermissionError):
                handle = os.pidfd_open(pid)
                try:
                    # The handle holds the process: what is read now is still true when the signal goes out.
                    if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                        signal.pidfd_send_signal(handle, signal.SIGKILL)
                        poller = select.poll()
                        poller.register(handle, select.POLLIN)
                        poller.poll()
                        ended.append(pid)
                finally:
                    os.close(handle)
        return ended
