"""A look at everything, when a tenure begins and when a backend has come back."""

import asyncio
import contextlib
from typing import Final

from fairlead_crds.kinds import Attachment, AttachmentPhase, Volume, VolumePhase
from fairlead_kube.turns import in_turns
from fairlead_operator.queue import Priority, WorkQueue
from fairlead_operator.view import Key, View, key_of

_PULSE: Final = 0.2
_DONE: Final = frozenset({AttachmentPhase.EXPORTED, AttachmentPhase.COMPLETED, VolumePhase.AVAILABLE, VolumePhase.HELD})


async def enqueue_all(queue: WorkQueue[Key], view: View, *, patience: float) -> None:
    """Queue every Volume and Attachment: what seems to be under way now, the rest when the watch's first list is over.

    The rest has been compared with the exports already, and a hundred thousand looks at it would only keep the watch
    from telling of changes meanwhile.

    Args:
        queue: of the Backend.
        view: that has just been read whole.
        patience: seconds to wait for the watch.
    """
    everything: list[Volume | Attachment] = [*view.volumes, *view.attachments]
    rest: list[Volume | Attachment] = []
    async for item in in_turns(everything):
        if _seems_done(item):
            rest.append(item)
        else:
            queue.add(key_of(item), Priority.DETACH if item.deleting else Priority.RESYNC)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(patience):
            await _told(view)
    async for item in in_turns(rest):
        queue.add(key_of(item), Priority.RESYNC)


async def _told(view: View) -> None:
    while True:
        if view.is_told:
            return
        await asyncio.sleep(_PULSE)


def _seems_done(item: Volume | Attachment) -> bool:
    if item.deleting or item.status.observed_generation != item.metadata.generation:
        return False
    return item.status.phase in _DONE
