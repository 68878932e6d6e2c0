"""Volumes as sparse files of one folder: `<handle>.img`.

A holder that lost its epoch may have been stopped inside any of these calls and go on at any later time, when its
successor has long created, grown or deleted the same volume. So each call is harmless however late it takes effect:
creating links a finished file into place and never replaces one, growing can only grow, and deleting concerns a handle
that is never used again.

Everything here blocks; the driver calls it in threads.
"""

import contextlib
import errno
import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from fairlead_operator.drivers.base import DriverError, DriverUnavailable, OutOfSpace, Stats

_SUFFIX = ".img"
_UNFINISHED = ".part"


class VolumeFiles:
    """The files of one folder, which is made by `prepare`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, handle: str) -> Path:
        """The file of a volume, whether or not it exists."""
        return self._folder / f"{handle}{_SUFFIX}"

    def handle(self, path: str) -> str | None:
        """The volume whose file this is; None for any other path."""
        name = os.path.basename(path)
        ours = os.path.dirname(path) == str(self._folder) and name.endswith(_SUFFIX)
        return name.removesuffix(_SUFFIX) if ours else None

    def prepare(self) -> None:
        """Make the folder, prove that it can be written to, remove what crashed calls left.

        Raises:
            DriverUnavailable: when it cannot be used.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self._folder / f".probe-{secrets.token_hex(8)}{_UNFINISHED}"
            probe.touch(exist_ok=False)
            for leftover in self._folder.glob(f".*{_UNFINISHED}"):
                leftover.unlink(missing_ok=True)
        except OSError as error:
            raise DriverUnavailable(
                f"data folder {self._folder} is not writable by user {os.geteuid()}: {_reason(error)}"
            ) from error

    def check(self) -> None:
        """Find out whether the folder is still there and writable, changing nothing.

        Raises:
            DriverUnavailable: when it is not.
        """
        try:
            os.stat(self._folder)
        except OSError as error:
            raise DriverUnavailable(f"data folder {self._folder} is gone: {_reason(error)}") from error
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise DriverUnavailable(f"data folder {self._folder} is not writable by user {os.geteuid()}")

    def stats(self) -> Stats:
        """Capacity of the file system, as an unprivileged writer has it."""
        try:
            facts = os.statvfs(self._folder)
        except OSError as error:
            raise DriverUnavailable(f"data folder {self._folder} is gone: {_reason(error)}") from error
        return Stats(total=facts.f_blocks * facts.f_frsize, free=facts.f_bavail * facts.f_frsize)

    def size(self, handle: str) -> int | None:
        """Size in bytes; None when there is no such volume."""
        try:
            return self.path(handle).stat().st_size
        except FileNotFoundError:
            return None

    def sizes(self, handles: Sequence[str]) -> dict[str, int | None]:
        """`size` of many."""
        return {handle: self.size(handle) for handle in handles}

    def create(self, handle: str, size: int) -> None:
        """Make a volume of `size` bytes that reads as zeros; leave one that is there as it is.

        The file appears whole and by its name at once, so nobody ever sees a smaller one.

        Raises:
            OutOfSpace: when the file system could not hold it if it were empty, or cannot take even the first block.
        """
        if self.size(handle) is not None:
            return
        self._require_room(handle, size)
        unfinished = self._folder / f".{handle}-{secrets.token_hex(8)}{_UNFINISHED}"
        try:
            descriptor = os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
            try:
                _grow(descriptor, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            with contextlib.suppress(FileExistsError):
                os.link(unfinished, self.path(handle))
            self._sync_folder()
        except OSError as error:
            raise _meaning(error, f"volume {handle} of {size} bytes could not be created") from error
        finally:
            unfinished.unlink(missing_ok=True)

    def extend(self, handle: str, size: int) -> None:
        """Grow a volume to `size` bytes; one that is larger stays as it is.

        Raises:
            DriverError: when there is no such volume.
            OutOfSpace: as in `create`.
        """
        present = self.size(handle)
        if present is not None and present >= size:
            return
        self._require_room(handle, size)
        try:
            descriptor = os.open(self.path(handle), os.O_WRONLY | os.O_CLOEXEC)
            try:
                _grow(descriptor, size)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise DriverError(f"volume {handle} does not exist in {self._folder}: it cannot be extended") from None
        except OSError as error:
            raise _meaning(error, f"volume {handle} could not be extended to {size} bytes") from error

    def delete(self, handle: str) -> None:
        """Delete a volume's data; absent is success."""
        try:
            self.path(handle).unlink(missing_ok=True)
            self._sync_folder()
        except OSError as error:
            raise _meaning(error, f"volume {handle} could not be deleted") from error

    def _require_room(self, handle: str, size: int) -> None:
        # Thin provisioning promises more than there is, on purpose. Only what could never fit is refused.
        total = self.stats().total
        if size > total:
            raise OutOfSpace(
                f"volume {handle} of {size} bytes cannot fit: the whole file system of {self._folder} has {total} bytes"
            )

    def _sync_folder(self) -> None:
        descriptor = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _grow(descriptor: int, size: int) -> None:
    # Allocating the last byte lengthens the file when it is shorter and changes nothing when it is not. ftruncate
    # would cut off what a successor has added since.
    if size > 0:
        os.posix_fallocate(descriptor, size - 1, 1)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _meaning(error: OSError, what: str) -> DriverError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutOfSpace(f"{what}: {_reason(error)}")
    return DriverUnavailable(f"{what}: {_reason(error)}")
