"""Temporary folders that do not stay behind, even when their owner was killed."""

import contextlib
import fcntl
import os
import select
import shutil
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_PREFIX = "fairlead-"
_LOCK = ".owner"


class ScratchFolder:
    """A temporary folder, removed by ``remove`` or at the end of the ``with`` block.

    Its owner holds a lock on a file in it. A SIGKILL lets no cleanup run, but it does drop the lock: so the next
    scratch folder's creation removes those whose owner is gone, with the daemons that work in them.
    """

    def __init__(self, purpose: str) -> None:
        """Create the folder, and remove abandoned ones.

        Args:
            purpose: A word for the folder's name.
        """
        sweep()
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}-"))
        # Locked before it has its name: a sweep meanwhile never finds a lock file that nobody holds.
        unnamed = self.path / f"{_LOCK}.new"
        unnamed.touch()
        self._lock: IO[bytes] | None = _locked(unnamed)
        unnamed.rename(self.path / _LOCK)

    def remove(self) -> None:
        """Remove the folder and all in it; safe to repeat."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


def sweep() -> None:
    """Remove the scratch folders of this user whose owner is gone, and end what still works in them."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            lock = _locked(folder / _LOCK)
        except OSError:
            # No lock file: not one of ours, or not yet one. Removing it would be a guess.
            continue
        if lock is not None:
            _end_processes_in(folder)
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


def _end_processes_in(folder: Path) -> None:
    """Kill the processes whose working directory is below the folder: a tgtd outlives its operator by design."""
    below = f"{os.path.realpath(folder)}{os.sep}"
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        # One that ends meanwhile needs nothing, one of somebody else's is not ours to end.
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            try:
                # The handle holds the process: what is read now is still true when the signal goes out.
                if os.readlink(f"/proc/{pid}/cwd").startswith(below):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
                    poller = select.poll()
                    poller.register(handle, select.POLLIN)
                    poller.poll()
            finally:
                os.close(handle)


def _locked(path: Path) -> IO[bytes] | None:
    file = path.open("rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
