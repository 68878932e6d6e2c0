"""Clients that do this and that, at either door, as their seeds have it."""

import random
import threading
import time
from collections.abc import Callable, Sequence

from chaos.actions import Actions
from chaos.doors import KubeSide, Refused, RestSide, Unknown, Unsent
from chaos.history import History, Hold, Volume
from chaos.installation import Installation

_VOLUMES = 10
"""Few, so that clients meet."""

_FREE = 4
"""Volumes that kubectl's waiters leave to others."""

_CROWD = 20
"""Attachments beyond which clients rather end one than make another: a queue that only grows shows nothing new."""

_PAUSE = 0.25
"""Most seconds between two actions of one client."""

_CONFLICTS = (400, 409)

_Act = tuple[str, str, str, Callable[[], None]]
"""Door, operation, on what, and how."""


class Client(threading.Thread):
    """One client, until told to end."""

    def __init__(self, installation: Installation, history: History, seed: str, number: int, end: threading.Event):
        super().__init__(name=f"client-{number}")
        self._chance = random.Random(f"{seed}/{self.name}")
        self._history = history
        self._end = end
        self._kube = KubeSide(installation.control_plane.kubeconfig)
        rest = RestSide(installation.facade_urls, self._chance)
        self._actions = Actions(installation, history, rest, self._kube, self._chance)
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._end.wait(self._chance.uniform(0, _PAUSE)):
                self._step()
        except BaseException as error:
            # A thread's own traceback goes nowhere that anybody reads.
            self.failure = error
            self._history.note(f"{self.name} failed: {error!r}")
        finally:
            self._kube.close()

    def _step(self) -> None:
        door = self._chance.choice(("rest", "kubectl"))
        chosen = self._choose(door)
        if chosen is None:
            return
        door, operation, subject, act = chosen
        try:
            act()
        except Refused as error:
            outcome = "conflict" if error.status in _CONFLICTS else "refused"
            self._history.count(door, operation, outcome, f"{subject} {error}")
        except Unsent:
            self._history.count(door, operation, "unsent", subject)
        except Unknown as error:
            self._history.count(door, operation, "unknown", f"{subject} {error}")
        else:
            self._history.count(door, operation, "done", subject)

    def _choose(self, door: str) -> _Act | None:
        history, chance, actions = self._history, self._chance, self._actions
        with history.lock:
            volumes = [v for v in history.volumes if v.span.gone is None]
            usable = [v for v in volumes if v.span.claimed and not v.cleaning and v.id]
            ending = [h for h in history.holds if h.name and h.span.given_up is not None and h.span.gone is None]
            live = [h for h in history.holds if h.name and h.span.given_up is None]
        if len(usable) < _VOLUMES and chance.random() < 0.4:
            return door, "create volume", "", lambda: actions.create_volume(door)
        wish = chance.random()
        if wish < 0.15:
            return self._with_hold(door, "detach", ending, actions.detach)
        if wish < 0.40:
            if len(live) >= _CROWD:
                return self._with_hold(door, "detach", _reachable(live, door), actions.detach)
            return self._attach(door, usable)
        if wish < 0.58:
            return self._with_hold("kubectl", "look", live, lambda _, hold: actions.look(hold))
        if wish < 0.64:
            held = [h for h in live if h.span.claimed]
            return self._with_hold("rest", "show", held, lambda _, hold: actions.show(hold))
        if wish < 0.72:
            return self._with_hold(door, "connect", _reachable(live, door), actions.move)
        if wish < 0.79:
            connected = [h for h in _reachable(live, door) if h.way and h.way.span.claimed]
            return self._with_hold(door, "complete", connected, actions.complete)
        if wish < 0.94:
            return self._with_hold(door, "detach", _reachable(live, door), actions.detach)
        return self._end_volume(door, volumes)

    def _attach(self, door: str, usable: Sequence[Volume]) -> _Act | None:
        # Conflicts are wanted, and so are successes: at the REST door only a free volume brings one.
        with self._history.lock:
            taken = {h.volume.name for h in self._history.holds if h.span.gone is None and h.name and not h.refused}
        free = [v for v in usable if v.name not in taken]
        if door == "kubectl" and len(free) < _FREE:
            free = []
        candidates = free if free and self._chance.random() < 0.7 else usable
        if not candidates:
            return None
        volume = self._chance.choice(candidates)
        return door, "attach", volume.name, lambda: self._actions.attach(door, volume)

    def _with_hold(
        self, door: str, operation: str, holds: Sequence[Hold], act: Callable[[str, Hold], None]
    ) -> _Act | None:
        """Take one that nobody else is at."""
        # REST hides waiters, so it is asked about holders only.
        holds = [h for h in holds if not h.busy and (door == "kubectl" or h.span.granted is not None)]
        if not holds:
            return None
        hold = self._chance.choice(holds)
        with self._history.lock:
            if hold.busy:
                return None
            hold.busy = True

        def alone() -> None:
            try:
                act(door, hold)
            finally:
                hold.busy = False

        return door, operation, f"{hold.door} attachment {hold.name} of {hold.volume.name}", alone

    def _end_volume(self, door: str, volumes: Sequence[Volume]) -> _Act | None:
        if not volumes:
            return None
        volume, chance = self._chance.choice(volumes), self._chance
        with self._history.lock:
            around = [h for h in self._history.holds if h.volume is volume and h.span.gone is None]
            lost = [h for h in around if h.name is None and not h.busy and h.span.asked > volume.cleaned]
            if volume.span.given_up is None and lost and not any(h.busy and h.name is None for h in around):
                # While it is cleaned nobody attaches, so what nobody knows is nobody's any more.
                volume.cleaning = True
                return "kubectl", "clean", volume.name, lambda: self._clean(volume)
        if volume.span.given_up is not None and not around:
            return "kubectl", "look for volume", volume.name, lambda: self._actions.look_for_volume(volume)
        if not around or chance.random() < 0.05:
            if door == "rest" and not volume.id:
                door = "kubectl"
            return door, "delete volume", volume.name, lambda: self._actions.delete_volume(door, volume)
        return None

    def _clean(self, volume: Volume) -> None:
        began = time.monotonic()
        try:
            self._actions.clean(volume)
            volume.cleaned = began
        finally:
            volume.cleaning = False


def _reachable(holds: Sequence[Hold], door: str) -> list[Hold]:
    """What can be changed: holders, and at kubectl's door waiters, too."""
    return [h for h in holds if (h.span.claimed or door == "kubectl") and not h.refused] + (
        [h for h in holds if h.refused] if door == "kubectl" else []
    )
