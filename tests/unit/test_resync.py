"""The look at everything when a tenure begins: what is under way first, the rest when the watch is through."""

from collections.abc import Iterator

import pytest

from fairlead_crds.kinds import Attachment, AttachmentPhase, AttachmentStatus
from fairlead_operator.queue import WorkQueue
from fairlead_operator.resync import enqueue_all
from fairlead_operator.view import Key, View
from unit.model.objects import attachment, metadata, volume
from unit.model.virtual_time import VirtualTimeLoop

PATIENCE = 10.0
DONE = AttachmentStatus(observed_generation=1, phase=AttachmentPhase.COMPLETED)


class Look:
    """One look, over a view that was read whole and of which the watch has told nothing yet."""

    def __init__(self, loop: VirtualTimeLoop, *attachments: Attachment) -> None:
        self._loop = loop
        self._view = View()
        self._volume = volume()
        for item in (self._volume, *attachments):
            self._view.take(item)
        self._queue: WorkQueue[Key] = WorkQueue("test")
        self._seen: list[str] = []
        self._work = loop.create_task(self._queue.run(self._note, workers=1))
        self._task = loop.create_task(enqueue_all(self._queue, self._view, patience=PATIENCE))
        loop.settle()

    async def _note(self, key: Key) -> None:
        self._seen.append(key.name)

    @property
    def seen(self) -> set[str]:
        return set(self._seen)

    def tell(self, *items: Attachment) -> None:
        """Have the watch tell of the Volume and of these."""
        for item in (self._volume, *items):
            self._view.watch.told(item)
        self._loop.advance(1.0)


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.finish()


def done(name: str) -> Attachment:
    return attachment(name, status=DONE)


UNDER_WAY = {
    "of nothing yet": attachment("x"),
    "exporting": attachment("x", status=DONE.model_copy(update={"phase": AttachmentPhase.EXPORTING})),
    "of an older generation": attachment("x", status=DONE.model_copy(update={"observed_generation": 0})),
    "deleted": attachment("x", status=DONE, meta=metadata("x", deleting=True)),
}


@pytest.mark.parametrize("item", UNDER_WAY.values(), ids=UNDER_WAY)
def test_what_is_under_way_is_looked_at_before_the_watch_has_told_anything(
    loop: VirtualTimeLoop, item: Attachment
) -> None:
    assert Look(loop, done("a"), item).seen == {"x"}


def test_the_rest_is_looked_at_when_the_watch_has_told_of_all(loop: VirtualTimeLoop) -> None:
    one, other = done("a"), done("b")
    look = Look(loop, one, other)
    look.tell(one)
    assert look.seen == set()
    look.tell(other)
    assert look.seen == {"v", "a", "b"}


def test_a_watch_that_tells_nothing_is_not_waited_for_without_end(loop: VirtualTimeLoop) -> None:
    look = Look(loop, done("a"))
    loop.advance(PATIENCE - 1)
    assert look.seen == set()
    loop.advance(2)
    assert look.seen == {"v", "a"}
