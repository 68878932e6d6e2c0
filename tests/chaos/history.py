"""What clients were told, and when: volumes, who holds them, and the ways in which nodes reach them.

All times are this process's monotonic clock. A claim is certain from the moment its request was *answered* until the
moment the first request was *sent* that may end it; it is possible from the moment it was asked for until its end was
answered. What stands between, any order of the world may explain.
"""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from iscsi import Access


@dataclass(eq=False)
class Span:
    """One claim's life.

    Attributes:
        asked: when it was first asked for.
        granted: when that was answered; None: never.
        given_up: when the first request was sent that may end it.
        gone: when its end was answered; from then on nothing of it may be left.
    """

    asked: float
    granted: float | None = None
    given_up: float | None = None
    gone: float | None = None

    @property
    def claimed(self) -> bool:
        """Whether it is certain at present."""
        return self.granted is not None and self.given_up is None

    def certain(self, since: float, until: float) -> bool:
        """Whether it was certain during that whole time."""
        return self.granted is not None and self.granted <= since and (self.given_up is None or until <= self.given_up)

    def possible(self, since: float, until: float) -> bool:
        """Whether it may have been at any moment of that time."""
        return self.asked <= until and (self.gone is None or since <= self.gone)

    def give_up(self) -> None:
        """Note that it may end from now on."""
        self.given_up = self.given_up or time.monotonic()

    def end(self) -> None:
        """Note that its end was confirmed."""
        self.give_up()
        self.gone = time.monotonic()


@dataclass(eq=False)
class Volume:
    """A volume.

    Attributes:
        id: what REST calls it; empty while not known.
        span: its own life.
        cleaning: nobody attaches at present, so that what nobody was told of can be removed.
        cleaned: when that was done last.
    """

    name: str
    id: str
    backend: str
    multi: bool
    span: Span
    cleaning: bool = False
    cleaned: float = 0.0


@dataclass(eq=False)
class Way:
    """How one node reaches a volume: one attachment with one connector. Every connector here is another node's."""

    hold: "Hold"
    access: Access
    span: Span


@dataclass(eq=False)
class Hold:
    """One attachment.

    Attributes:
        name: None while it is not known.
        id: what REST calls it, and also its export's name; empty while not known.
        created: whether its creation was answered; one that was not may still come.
        refused: whether it was told that it never gets the volume.
        busy: keeps two clients from changing it at once.
    """

    volume: Volume
    name: str | None
    door: str
    instance: str | None
    span: Span
    ways: list[Way] = field(default_factory=list)
    id: str = ""
    created: bool = False
    completed: bool = False
    refused: bool = False
    busy: bool = True

    @property
    def way(self) -> Way | None:
        """The latest way."""
        return self.ways[-1] if self.ways else None

    def excludes(self, other: "Hold") -> bool:
        """Whether the two may not hold the volume at once."""
        if self is other or self.volume is not other.volume or self.volume.multi:
            return False
        return not (self.instance and self.instance == other.instance)

    def give_up(self) -> None:
        """Note that it may end from now on, and every way with it."""
        for span in (self.span, *(way.span for way in self.ways)):
            span.give_up()

    def end(self) -> None:
        """Note that its end was confirmed, and every way's with it."""
        for span in (self.span, *(way.span for way in self.ways)):
            if span.gone is None:
                span.end()


@dataclass(frozen=True)
class Login:
    """A node's try to reach a volume, by logging in or in a session that it has."""

    way: Way
    began: float
    ended: float
    accepted: bool
    in_session: bool = False


class History:
    """Everything that happened, from the clients' side; all threads write into it."""

    def __init__(self, journal: Path) -> None:
        self.lock = threading.RLock()
        self.volumes: list[Volume] = []
        self.holds: list[Hold] = []
        self.logins: list[Login] = []
        self.operations: Counter[tuple[str, str, str]] = Counter()
        self.violations: list[str] = []
        self._journal: IO[str] = journal.open("w", buffering=1)

    def close(self) -> None:
        """End the journal."""
        self._journal.close()

    def note(self, text: str) -> None:
        """Write a line to the journal, with the time as the other logs have it."""
        now = time.time()
        stamp = time.strftime("%H:%M:%S", time.localtime(now))
        with self.lock:
            self._journal.write(f"{stamp},{int(now % 1 * 1000):03d} {time.monotonic():.3f} {text}\n")

    def count(self, door: str, operation: str, outcome: str, text: str = "") -> None:
        """Count an operation by outcome: `done`, `refused`, `unknown` or `unsent`."""
        with self.lock:
            self.operations[door, operation, outcome] += 1
        self.note(f"{threading.current_thread().name} {door} {operation} {outcome} {text}")

    def violation(self, text: str) -> None:
        """Record a broken promise."""
        with self.lock:
            self.violations.append(text)
        self.note(f"VIOLATION {text}")

    def volume(self, volume: Volume) -> Volume:
        with self.lock:
            self.volumes.append(volume)
        return volume

    def hold(self, hold: Hold) -> Hold:
        with self.lock:
            self.holds.append(hold)
        return hold

    def give_up_all_of(self, volume: Volume) -> None:
        """Note that every attachment of a volume may end from now on."""
        with self.lock:
            holds = [hold for hold in self.holds if hold.volume is volume]
        for hold in holds:
            hold.give_up()

    def rivals(self, hold: Hold) -> Iterator[Hold]:
        """Every attachment that may not hold the volume beside it."""
        with self.lock:
            everybody = list(self.holds)
        return (other for other in everybody if hold.excludes(other))

    def saw(self, login: Login) -> None:
        """Judge a login that was tried: nobody gets in after its end, or beside somebody who excludes it."""
        with self.lock:
            self.logins.append(login)
        if not login.accepted:
            return
        way = login.way
        if way.span.gone is not None and way.span.gone <= login.began:
            late = login.began - way.span.gone
            self.violation(f"{name_of(way)} {_did(login)} {late:.3f} s after its end was confirmed")
        for rival in self.rivals(way.hold):
            if rival.span.certain(login.began, login.ended):
                self.violation(
                    f"{name_of(way)} {_did(login)} ({login.began:.3f} to {login.ended:.3f}) while {rival.door} "
                    f"attachment {rival.name} held the volume ({rival.span})"
                )

    def judge_holders(self) -> None:
        """Find two holders of one volume who exclude each other and were both certain at one moment."""
        held = [hold for hold in self.holds if hold.span.granted is not None]
        for number, one in enumerate(held):
            for other in held[number + 1 :]:
                if one.excludes(other) and _overlap(one.span, other.span):
                    self.violation(
                        f"volume {one.volume.name} was promised to {one.door} attachment {one.name} ({one.span}) and "
                        f"to {other.door} attachment {other.name} ({other.span})"
                    )


def name_of(way: Way) -> str:
    """Say which node's way it is."""
    hold = way.hold
    return f"{way.access.initiator} ({hold.door} attachment {hold.name} of volume {hold.volume.name})"


def _did(login: Login) -> str:
    return "read in its session" if login.in_session else "logged in"


def _overlap(one: Span, other: Span) -> bool:
    assert one.granted is not None
    assert other.granted is not None
    since = max(one.granted, other.granted)
    until = min(span.given_up if span.given_up is not None else float("inf") for span in (one, other))
    return since < until
