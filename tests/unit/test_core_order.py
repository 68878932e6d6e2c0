"""The order of steps in every life: Admit before Export, Unexport before Release, Release before Finalize.

The core alone is driven here, step by step, through every short history of events at every point of a pass; what else
can go wrong in the world around it is the model's part (docs/model.md).
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence

import pytest

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Attachment, ConnectionStatus, Volume
from fairlead_crds.names import ANNOTATION_LOOK
from fairlead_operator.core import ledger, steps
from fairlead_operator.core.attachment import AttachmentFacts, Done, Failure, Seen, decide
from fairlead_operator.core.exports import ExportState
from unit.model.objects import BACKEND, NOW, attachment, later, volume
from unit.model.situations import CONNECTOR, export

EVENTS = (
    "delete",
    "clear",
    "move",
    "crash",
    "array fails",
    "array forgets",
    "volume goes",
    "volume torn away",
    "asks who is logged in",
)
_MOVED = {"initiator": "n2", "host": "h2"}
_LONGEST = 25


@dataclasses.dataclass
class Life:
    """One Attachment, its Volume and the array, and what one pass after another makes of them."""

    item: Attachment | None = dataclasses.field(default_factory=lambda: attachment(connector=CONNECTOR))
    volume: Volume | None = dataclasses.field(default_factory=volume)
    export: ExportState | None = None
    done: Done = dataclasses.field(default_factory=Done)
    failing: bool = False
    failure: Failure | None = None
    asked: int = 0

    def happen(self, event: str) -> None:
        """Something happens between two steps."""
        if self.item is None:
            return
        if event == "delete":
            self._set(metadata=self.item.metadata.model_copy(update={"deletion_timestamp": NOW}))
        elif event in ("clear", "move"):
            to = _MOVED if event == "move" else None
            self._set(spec=self.item.spec.model_copy(update={"connector": to}))
        elif event == "crash":
            self.done, self.failure = Done(), None
        elif event == "asks who is logged in":
            self.asked += 1
            notes = {**self.item.metadata.annotations, ANNOTATION_LOOK: f"r{self.asked}"}
            self._set(metadata=self.item.metadata.model_copy(update={"annotations": notes}))
        elif event == "array fails":
            self.failing = True
        elif event == "array forgets":
            self.export = None
        elif event == "volume torn away":
            self.volume = None
        elif self.volume is not None:
            gone = self.volume.metadata.model_copy(update={"deletion_timestamp": NOW})
            self.volume = self.volume.model_copy(update={"metadata": gone})

    def step(self) -> steps.AttachmentStep | None:
        """Ask the core, and do what it says; None when the Attachment is gone."""
        if self.item is None:
            return None
        connector = self.item.spec.connector or None
        step = decide(
            AttachmentFacts(
                attachment=self.item,
                volume=self.volume,
                backend=BACKEND,
                connector=connector,
                initiator=connector["initiator"] if connector else None,
                export=self.export,
                sees_sessions=True,
                failure=self.failure,
                done=self.done,
                now=later(1),
            )
        )
        self.failure = None
        if self.failing and isinstance(step, steps.Export | steps.Unexport):
            self.failing, self.failure = False, Failure(reason=Reason.DRIVER_ERROR, message="no")
            return step
        self._do(step)
        return step

    def _do(self, step: steps.AttachmentStep) -> None:
        assert self.item is not None
        match step:
            case steps.Export():
                connector = self.item.spec.connector
                assert connector is not None
                self.export = export(connector["initiator"])
                connection = ConnectionStatus(driver_volume_type="t", data={})
                self.done = dataclasses.replace(self.done, connection=connection, unexported=False, seen=None)
            case steps.Look(request):
                seen = Seen(request=request, generation=self.item.metadata.generation, at=later(1), export=self.export)
                self.done = dataclasses.replace(self.done, seen=seen)
            case steps.Unexport():
                self.export = None
                self.done = Done(unexported=True)
            case steps.Admit(status) | steps.Release(_, status):
                assert self.volume is not None
                self.volume = self.volume.model_copy(update={"status": status})
            case steps.WriteAttachmentStatus(status):
                self._set(status=status)
            case steps.Finalize():
                self.item = None
            case steps.Wait():
                self.done = Done()

    def _set(self, **changes: object) -> None:
        assert self.item is not None
        self.item = self.item.model_copy(update=changes)

    @property
    def owes_an_answer(self) -> bool:
        """Whether somebody asked who is logged in to an export that stands, and was not told."""
        if self.item is None or self.export is None or self.item.metadata.deletion_timestamp is not None:
            return False
        told = self.item.status.sessions_look
        return self.asked > 0 and (told is None or told.request != f"r{self.asked}")

    @property
    def listed(self) -> bool:
        """Whether the ledger names it."""
        return self.volume is not None and ledger.holder_of(self.volume, "uid-a") is not None


def histories() -> Iterator[tuple[tuple[int, str], ...]]:
    """Every pair of events, at every pair of points within the first eight steps, and each event alone."""
    points = range(8)
    for at, event in itertools.product(points, EVENTS):
        yield ((at, event),)
    for (first, one), (second, other) in itertools.product(itertools.product(points, EVENTS), repeat=2):
        if first <= second:
            yield ((first, one), (second, other))


def live(history: Sequence[tuple[int, str]]) -> tuple[Life, list[str]]:
    """Go through a history; return where it ends, and what was done in the wrong order."""
    life, wrong = Life(), []
    for turn in range(_LONGEST):
        for at, event in history:
            if at == turn:
                life.happen(event)
        exported, listed, existed = life.export is not None, life.listed, life.item is not None
        step = life.step()
        if isinstance(step, steps.Release) and exported:
            wrong.append("released while exported")
        if isinstance(step, steps.Finalize) and (exported or listed):
            wrong.append("let go while exported or listed")
        if isinstance(step, steps.Export) and not listed:
            wrong.append("exported before it was admitted")
        if isinstance(step, steps.Look) and (not exported or not listed):
            wrong.append("looked at what is not exported")
        if existed and life.item is None and life.export is not None:
            wrong.append("gone and exported")
    if life.owes_an_answer:
        wrong.append("never said who is logged in")
    return life, wrong


@pytest.mark.parametrize("last", EVENTS)
def test_no_history_brings_steps_out_of_order(last: str) -> None:
    """Matrix: every event alone and every pair of events, at every point of the first eight steps; by the last one."""
    seen = [(h, wrong) for h in histories() if h[-1][1] == last and (wrong := live(h)[1])]
    assert seen == []


@pytest.mark.parametrize("last", EVENTS)
def test_every_history_ends_in_rest(last: str) -> None:
    """Matrix: as above; then deleted, which must always come to its end."""
    stuck = []
    for history in (h for h in histories() if h[-1][1] == last):
        life, _ = live([*history, (12, "delete")])
        if life.item is not None or life.export is not None:
            stuck.append(history)
    assert stuck == []
