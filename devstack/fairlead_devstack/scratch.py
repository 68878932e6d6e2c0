"""Temporary folders that do not stay behind, even when their owner was killed."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

_PREFIX = "fairlead-"
_LOCK = ".owner"


class ScratchFolder:
    """A temporary folder, removed by ``remove`` or at the end of the ``with`` block.

    Its owner holds a lock on a file in it. A SIGKILL lets no cleanup run, but it does drop the lock: so the next
    scratch folder's creation removes those whose owner is gone.
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
    """Remove the scratch folders of this user whose owner is gone."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            lock = _locked(folder / _LOCK)
        except OSError:
            # No lock file: not one of ours, or not yet one. Removing it would be a guess.
            continue
        if lock is not None:
            shutil.rmtree(folder, ignore_errors=True)
            lock.close()


def _locked(path: Path) -> IO[bytes] | None:
    file = path.open("rb")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
