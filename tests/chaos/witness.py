"""Nodes that try to get in, whether they may or not, and nodes that stay: the evidence that no status can replace."""

import random
import subprocess
import threading
import time

from chaos.history import History, Login, Way
from chaos.session import Session
from iscsi import login
from iscsi_wire import Refused


class Witness(threading.Thread):
    """Tries one way after the other until told to end."""

    def __init__(self, history: History, seed: str, number: int, end: threading.Event):
        super().__init__(name=f"witness-{number}")
        self._chance = random.Random(f"{seed}/{self.name}")
        self._history = history
        self._end = end
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._end.wait(self._chance.uniform(0, 0.1)):
                way = self._choose()
                if way is not None:
                    self._history.saw(try_way(way))
        except BaseException as error:
            self.failure = error
            self._history.note(f"{self.name} failed: {error!r}")

    def _choose(self) -> Way | None:
        with self._history.lock:
            ways = [way for hold in self._history.holds[-300:] for way in hold.ways]
        kinds = (
            # Just ended: the first moments are those in which something could be left.
            sorted((w for w in ways if w.span.gone is not None), key=lambda w: w.span.gone or 0.0)[-12:],
            [w for w in ways if w.span.gone is None and w.span.given_up is not None],
            [w for w in ways if w.span.claimed],
            [w for w in ways if w.span.granted is None and w.span.given_up is None],
        )
        kinds = [kind for kind in kinds if kind]
        return self._chance.choice(self._chance.choice(kinds)) if kinds else None


class Tenant(threading.Thread):
    """A node that logs in where it may and reads in that session until it is cut off, then goes elsewhere."""

    def __init__(self, history: History, seed: str, number: int, end: threading.Event):
        super().__init__(name=f"tenant-{number}")
        self._chance = random.Random(f"{seed}/{self.name}")
        self._history = history
        self._end = end
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._end.wait(self._chance.uniform(0, 0.2)):
                with self._history.lock:
                    ways = [way for hold in self._history.holds[-300:] for way in hold.ways if way.span.claimed]
                if ways:
                    self._stay(self._chance.choice(ways))
        except BaseException as error:
            self.failure = error
            self._history.note(f"{self.name} failed: {error!r}")

    def _stay(self, way: Way) -> None:
        try:
            with Session(way.access) as session:
                while not self._end.wait(self._chance.uniform(0, 0.2)):
                    began = time.monotonic()
                    read = session.read()
                    self._history.saw(Login(way, began, time.monotonic(), read, in_session=True))
                    if self._chance.random() < 0.01:
                        return
        except (OSError, Refused):
            # Cut off, or not let in: where nodes may be, clients and faults decide.
            return


def try_way(way: Way) -> Login:
    """Log in once; no answer in time is no entry."""
    began = time.monotonic()
    try:
        accepted = login(way.access).accepted
    except subprocess.TimeoutExpired:
        accepted = False
    return Login(way, began, time.monotonic(), accepted)
