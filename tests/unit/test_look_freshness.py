"""No answer is taken for another's: who may detach had asked before a moment at which nobody was logged in.

Facades that ask at any time, and an operator that looks, and later writes what it saw if the object is still the
version that it looked for; in any order. What the operator itself decides is `test_core_sessions`.
"""

import dataclasses
import itertools

import pytest

from fairlead_api.identity.caller import Caller
from fairlead_api.identity.detach_guard import Look, check_detach
from fairlead_api.protocol.faults import Conflict
from fairlead_crds.kinds import Attachment, SessionsFound, SessionsLook
from fairlead_crds.names import ANNOTATION_LOOK
from rest_objects import T0, attachment

MEMBER = Caller("u", "p")
EVENTS = ("one asks", "other asks", "operator looks", "operator writes", "login", "logout", "spec changes")


@dataclasses.dataclass
class World:
    """One Attachment, who asked when, and when nobody was logged in."""

    item: Attachment = dataclasses.field(
        default_factory=lambda: attachment(state="attached", instance_id="i", status={"initiator": "n1"})
    )
    clock: int = 0
    connected: bool = False
    idle_at: int = 0
    asked: dict[str, tuple[Look, int]] = dataclasses.field(default_factory=dict)
    seen: tuple[str, SessionsLook] | None = None

    def happen(self, event: str) -> None:
        self.clock += 1
        if not self.connected:
            self.idle_at = self.clock
        match event:
            case "one asks" | "other asks":
                request = f"r{self.clock}"
                self._write(annotations={ANNOTATION_LOOK: request})
                self.asked[event] = (Look(request, int(self.item.metadata.resource_version), 10), self.clock)
            case "operator looks":
                self._look()
            case "operator writes":
                if self.seen is not None and self.seen[0] == self.item.metadata.resource_version:
                    status = self.item.status.model_copy(update={"sessions_look": self.seen[1]})
                    self.item = self.item.model_copy(update={"status": status})
                    self._write()
            case "spec changes":
                self._write(generation=self.item.metadata.generation + 1)
            case _:
                self.connected = event == "login"

    def _look(self) -> None:
        meta, told = self.item.metadata, self.item.status.sessions_look
        request = meta.annotations.get(ANNOTATION_LOOK)
        if request is None or (told is not None and told.request == request):
            return
        found = SessionsFound.LIVE if self.connected else SessionsFound.NONE
        self.seen = (
            meta.resource_version,
            SessionsLook(
                request=request, observed_at=T0, observed_generation=meta.generation, initiator="n1", found=found
            ),
        )

    def _write(self, **changes: object) -> None:
        changes["resource_version"] = str(int(self.item.metadata.resource_version) + 1)
        self.item = self.item.model_copy(update={"metadata": self.item.metadata.model_copy(update=changes)})

    def permits(self, look: Look) -> bool:
        try:
            check_detach(MEMBER, self.item, look)
        except Conflict:
            return False
        return True


@pytest.mark.parametrize("last", EVENTS)
def test_nobody_detaches_on_what_was_seen_before_it_asked(last: str) -> None:
    """Matrix: every history of six events that begins with a request; by the last one."""
    wrong = []
    for history in itertools.product(EVENTS, repeat=4):
        world = World()
        for event in ("one asks", *history, last):
            world.happen(event)
        if any(world.permits(look) and world.idle_at < since for look, since in world.asked.values()):
            wrong.append(history)
    assert wrong == []


@pytest.mark.parametrize("later", [(), ("one asks",), ("other asks",)])
@pytest.mark.parametrize("asks", ["one asks", "other asks"])
def test_whoever_asks_and_is_answered_learns_it(asks: str, later: tuple[str, ...]) -> None:
    """Matrix: which facade asks x whether one asks after it, before the operator looks; after every three events."""
    for before in itertools.product(EVENTS, repeat=3):
        world = World()
        for event in (*before, "logout", asks, *later, "operator looks", "operator writes"):
            world.happen(event)
        assert all(world.permits(world.asked[name][0]) for name in (asks, *later)), before
