"""What the driver `record` remembers, and the file that carries it from one operator process to the next.

Each epoch has a file of its own, `exports.<epoch>`, to which its holder appends. Beginning an epoch copies what earlier
files say into a new one and removes them, so whatever a deposed holder still appends is read by nobody. Nothing is
synced to the disk: what is lost with the machine is made again by an ordinary sweep, as after a restart of a daemon.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fairlead_crds.kinds import AccessMode
from fairlead_operator.drivers.base import DriverUnavailable, Export
from fairlead_operator.drivers.tgt_epoch import EpochRecord

_PREFIX = "exports."


class RecordJournal:
    """Volumes (size in bytes by handle) and exports (by handle) of one folder. Everything here blocks, briefly."""

    def __init__(self, folder: Path) -> None:
        self.volumes: dict[str, int] = {}
        self.exports: dict[str, Export] = {}
        self.promised = 0
        self._folder = folder
        self._record = EpochRecord(folder)
        self._epoch: str | None = None
        self._file = -1

    def prepare(self) -> None:
        """Make the folder.

        Raises:
            DriverUnavailable: it cannot be made or written to.
        """
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._record.prepare()
        except OSError as error:
            raise DriverUnavailable(f"data folder {self._folder} cannot be used: {error.strerror}") from error

    def take_over(self, epoch: str) -> None:
        """Begin `epoch`, knowing what all earlier ones wrote; repeating it changes nothing.

        Raises:
            Fenced: a later epoch has begun.
        """
        self._record.begin(epoch)
        if self._epoch == epoch:
            return
        earlier = sorted(self._folder.glob(f"{_PREFIX}*"), key=lambda path: path.stat().st_mtime_ns)
        for path in earlier:
            self._read(path)
        own = self._folder / f"{_PREFIX}{epoch}"
        descriptor, fresh = tempfile.mkstemp(dir=self._folder, prefix=".exports-")
        with os.fdopen(descriptor, "w") as copy:
            copy.writelines(f"{json.dumps(entry)}\n" for entry in self._snapshot())
        Path(fresh).rename(own)
        for path in earlier:
            if path != own:
                path.unlink(missing_ok=True)
        self.close()
        self._file = os.open(own, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._epoch = epoch

    def require(self) -> None:
        """Raise Fenced unless our epoch is on, DriverUnavailable before the first."""
        if self._epoch is None:
            raise DriverUnavailable("no epoch has begun; the first fence has still to come")
        self._record.require(self._epoch)

    def put_volume(self, handle: str, size: int) -> None:
        """Note that a volume has that size."""
        self._append({"volume": handle, "size": size})

    def drop_volume(self, handle: str) -> None:
        """Note that there is no such volume."""
        self._append({"volume": handle, "size": None})

    def put_export(self, export: Export) -> None:
        """Note an export, which must be complete."""
        self._append(_entry(export))

    def drop_export(self, handle: str) -> None:
        """Note that there is no such export."""
        self._append({"export": handle, "volume_handle": None})

    def close(self) -> None:
        """Let go of the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        self._epoch = None

    def _append(self, entry: dict[str, Any]) -> None:
        self.require()
        os.write(self._file, f"{json.dumps(entry)}\n".encode())
        # Whoever began a later epoch meanwhile may have read the file without this line.
        self.require()
        self._apply(entry)

    def _read(self, path: Path) -> None:
        with path.open() as notes:
            for line in notes:
                try:
                    entry = json.loads(line)
                except ValueError:
                    continue  # the last line of a holder that died writing it, who therefore told nobody
                self._apply(entry)

    def _apply(self, entry: dict[str, Any]) -> None:
        if "clear" in entry:
            self.volumes.clear()
            self.exports.clear()
            self.promised = 0
        elif "export" in entry:
            self._apply_export(entry)
        else:
            handle, size = entry["volume"], entry["size"]
            self.promised += (size or 0) - self.volumes.pop(handle, 0)
            if size is not None:
                self.volumes[handle] = size

    def _apply_export(self, entry: dict[str, Any]) -> None:
        handle = entry["export"]
        if entry["volume_handle"] is None:
            self.exports.pop(handle, None)
            return
        self.exports[handle] = Export(
            handle=handle,
            volume_handle=entry["volume_handle"],
            initiator=entry["initiator"],
            access_mode=AccessMode(entry["access_mode"]),
            complete=True,
        )

    def _snapshot(self) -> Iterator[dict[str, Any]]:
        yield {"clear": True}
        for handle, size in self.volumes.items():
            yield {"volume": handle, "size": size}
        yield from map(_entry, self.exports.values())


def _entry(export: Export) -> dict[str, Any]:
    return {
        "export": export.handle,
        "volume_handle": export.volume_handle,
        "initiator": export.initiator,
        "access_mode": export.access_mode,
    }
