"""The epoch record: which tenure of the Backend's Lease may speak to the storage from this host.

The record is one directory entry whose *name* is the epoch, `fence/epoch.<epoch>`. Beginning an epoch renames the
entry, so it is a compare-and-swap that needs no lock: of two holders that both saw epoch 7, one renames and the other
finds nothing to rename and looks again. A lock would let a holder that was stopped inside it block its successor.
"""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

from fairlead_operator.drivers.base import Fenced

_ENTRY = "epoch."
_NONE = "none"
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,71}")
_ORDERED = re.compile(r"(\d+)-(.+)")


class EpochRecord:
    """The record in `<run folder>/fence`."""

    def __init__(self, run_folder: Path) -> None:
        self._run_folder = run_folder
        self._folder = run_folder / "fence"

    def prepare(self) -> None:
        """Make the record if there is none. It appears whole, by the rename of a folder, or not at all."""
        if self._folder.is_dir():
            return
        fresh = Path(tempfile.mkdtemp(prefix=".fence-", dir=self._run_folder))
        (fresh / f"{_ENTRY}{_NONE}").touch()
        with contextlib.suppress(OSError):
            fresh.rename(self._folder)
            return
        # Somebody else's appeared first; ours never counted.
        shutil.rmtree(fresh)

    def current(self) -> str | None:
        """The epoch that is on; None before the first."""
        # The loop ends: each round without an entry means that somebody renamed it between the two system calls.
        while True:
            for name in os.listdir(self._folder):
                if name.startswith(_ENTRY):
                    epoch = name.removeprefix(_ENTRY)
                    return None if epoch == _NONE else epoch

    def holds(self, epoch: str) -> bool:
        """True while `epoch` is the one that is on: one system call, made before every effect."""
        return os.path.lexists(self._folder / f"{_ENTRY}{epoch}")

    def require(self, epoch: str) -> None:
        """Raise Fenced unless `epoch` is on."""
        if not self.holds(epoch):
            raise Fenced(
                f"epoch {epoch} is over: another holder of this Backend's Lease has begun its own. Nothing was done"
            )

    def begin(self, epoch: str) -> None:
        """Make `epoch` the one that is on.

        Epochs of the form `<number>-<scope>` are ordered within their scope (say, Lease transitions and the Lease's
        uid): a holder that slept through its own tenure cannot end a later one. Others just replace each other.

        Raises:
            Fenced: when a later epoch of the same scope has begun.
            ValueError: when it is no safe part of a file name.
        """
        if not _SAFE.fullmatch(epoch) or epoch == _NONE:
            raise ValueError(f"epoch {epoch!r} is not 1 to 72 letters, digits, dots, underscores and dashes")
        while True:
            before = self.current()
            if before == epoch:
                return
            if before is not None and _later(before, epoch):
                raise Fenced(f"epoch {epoch} is over before it began: epoch {before} is on")
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._folder / f"{_ENTRY}{before or _NONE}", self._folder / f"{_ENTRY}{epoch}")
                return


def _later(one: str, other: str) -> bool:
    """True when both are ordered in one scope and `one` is the later."""
    a, b = _ORDERED.fullmatch(one), _ORDERED.fullmatch(other)
    return a is not None and b is not None and a[2] == b[2] and int(a[1]) > int(b[1])
