"""What is exported, against what should be."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fairlead_crds.kinds import AccessMode, AttachmentSpec, Session, Volume


@dataclass(frozen=True, kw_only=True)
class ExportState:
    """An export as the backend last showed it. See `drivers.base.Export` for the meaning of each field."""

    volume_handle: str | None
    initiator: str | None
    access_mode: AccessMode | None
    complete: bool
    sessions: tuple[Session, ...] = ()


def begun(volume_handle: str) -> ExportState:
    """Return the state of an export that was asked for and has not been read back."""
    return ExportState(volume_handle=volume_handle, initiator=None, access_mode=None, complete=False)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An export as it should be."""

    volume_handle: str
    initiator: str
    access_mode: AccessMode

    def met_by(self, state: ExportState | None) -> bool:
        """Whether the backend shows exactly this."""
        return (
            state is not None
            and state.complete
            and state.volume_handle == self.volume_handle
            and state.initiator == self.initiator
            and state.access_mode == self.access_mode
        )


def effective_mode(volume: Volume | None, spec: AttachmentSpec, connector: Mapping[str, Any] | None) -> AccessMode:
    """Return the mode in force: a read-only volume wins, then the Attachment's own, then the connector's, then rw."""
    if volume is not None and volume.spec.read_only:
        return AccessMode.READ_ONLY
    if spec.access_mode is not None:
        return spec.access_mode
    if (connector or {}).get("mode") == "ro":
        return AccessMode.READ_ONLY
    return AccessMode.READ_WRITE


class ExportBook:
    """What we know of a backend's exports: its own listings, corrected by what we did since.

    A listing takes time, and what it says of an export that was changed meanwhile is old; so every change is counted,
    and a listing only speaks of what has not changed since it began. One listing at a time: `settle` forgets
    older changes, because the next listing sees them.
    """

    def __init__(self) -> None:
        self._exports: dict[str, ExportState] = {}
        self._by_volume: Counter[str] = Counter()
        self._changed: dict[str, int] = {}
        self._remade: dict[str, datetime] = {}
        self._clock = 0

    def __len__(self) -> int:
        return len(self._exports)

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._exports))

    def get(self, handle: str) -> ExportState | None:
        """Return what is known of the export."""
        return self._exports.get(handle)

    def exports_volume(self, volume_handle: str) -> bool:
        """Whether an export of that volume is known."""
        return self._by_volume[volume_handle] > 0

    def record(self, handle: str, state: ExportState | None) -> None:
        """Note what we made of an export, or (None) that it is gone."""
        self._clock += 1
        self._changed[handle] = self._clock
        self._set(handle, state)
        if state is None:
            self._remade.pop(handle, None)

    def remade(self, handle: str) -> datetime | None:
        """Return when an export that a node had before was made again; None: not by us, or not for that node."""
        return self._remade.get(handle)

    def note_remade(self, handle: str, at: datetime) -> None:
        """Note that: whoever was logged in may be on its way back."""
        self._remade[handle] = at

    def mark(self) -> int:
        """Return a mark to pass to `learn`; take it before the listing begins."""
        return self._clock

    def learn(self, handle: str, state: ExportState | None, mark: int) -> bool:
        """Take in what a listing that began at `mark` says of an export; True: something new."""
        known = self._exports.get(handle)
        if self._changed.get(handle, 0) > mark or state == known:
            return False
        self._set(handle, state)
        # A session that came or went is no drift.
        return state is None or known is None or _without_sessions(state) != _without_sessions(known)

    def _set(self, handle: str, state: ExportState | None) -> None:
        known = self._exports.pop(handle, None)
        if known is not None and known.volume_handle is not None:
            self._by_volume[known.volume_handle] -= 1
            if not self._by_volume[known.volume_handle]:
                del self._by_volume[known.volume_handle]
        if state is not None:
            self._exports[handle] = state
            if state.volume_handle is not None:
                self._by_volume[state.volume_handle] += 1

    def settle(self, mark: int) -> None:
        """End the listing that began at `mark`, after `learn` of all that it has or that we knew of."""
        self._changed = {h: at for h, at in self._changed.items() if at > mark}


def _without_sessions(state: ExportState) -> tuple[object, ...]:
    return state.volume_handle, state.initiator, state.access_mode, state.complete
