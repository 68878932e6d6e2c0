"""The look at everything when a tenure begins: what is under way first."""

from collections.abc import Iterator

import pytest

from fairlead_crds.kinds import Attachment, AttachmentPhase, AttachmentStatus
from fairlead_operator.queue import WorkQueue
from fairlead_operator.resync import enqueue_all
from fairlead_operator.view import Key, View
from unit.model.objects import attachment, metadata, volume
from unit.model.virtual_time import VirtualTimeLoop

DONE = AttachmentStatus(observed_generation=1, phase=AttachmentPhase.COMPLETED)


@pytest.fixture
def loop() -> Iterator[VirtualTimeLoop]:
    loop = VirtualTimeLoop()
    yield loop
    loop.finish()


def looked_at(loop: VirtualTimeLoop, *attachments: Attachment) -> list[str]:
    """In which order one worker looks at a Volume and these, in a view that was read whole."""
    view, queue, seen = View(), WorkQueue[Key]("test"), []
    for item in (volume(), *attachments):
        view.take(item)

    async def note(key: Key) -> None:
        seen.append(key.name)

    loop.create_task(enqueue_all(queue, view))
    loop.create_task(queue.run(note, workers=1))
    loop.settle()
    return seen


def done(name: str) -> Attachment:
    return attachment(name, status=DONE)


UNDER_WAY = {
    "of nothing yet": attachment("x"),
    "exporting": attachment("x", status=DONE.model_copy(update={"phase": AttachmentPhase.EXPORTING})),
    "of an older generation": attachment("x", status=DONE.model_copy(update={"observed_generation": 0})),
    "deleted": attachment("x", status=DONE, meta=metadata("x", deleting=True)),
}


@pytest.mark.parametrize("item", UNDER_WAY.values(), ids=UNDER_WAY)
def test_what_is_under_way_is_looked_at_first(loop: VirtualTimeLoop, item: Attachment) -> None:
    first, *rest = looked_at(loop, done("a"), done("b"), item)
    assert first == "x"
    assert sorted(rest) == ["a", "b", "v"]
