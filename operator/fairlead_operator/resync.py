"""A look at everything, when a tenure begins and when a backend has come back."""

from typing import Final

from fairlead_crds.kinds import Attachment, AttachmentPhase, Volume, VolumePhase
from fairlead_kube.turns import in_turns
from fairlead_operator.queue import Priority, WorkQueue
from fairlead_operator.view import Key, View, key_of

_DONE: Final = frozenset({AttachmentPhase.EXPORTED, AttachmentPhase.COMPLETED, VolumePhase.AVAILABLE, VolumePhase.HELD})


async def enqueue_all(queue: WorkQueue[Key], view: View) -> None:
    """Queue every Volume and Attachment: what seems to be under way first, then what a sweep has only compared.

    Args:
        queue: of the Backend.
        view: that has just been read whole.
    """
    everything: list[Volume | Attachment] = [*view.volumes, *view.attachments]
    rest: list[Volume | Attachment] = []
    async for item in in_turns(everything):
        if _seems_done(item):
            rest.append(item)
        else:
            queue.add(key_of(item), Priority.DETACH if item.deleting else Priority.CHANGE)
    async for item in in_turns(rest):
        queue.add(key_of(item), Priority.RESYNC)


def _seems_done(item: Volume | Attachment) -> bool:
    if item.deleting or item.status.observed_generation != item.metadata.generation:
        return False
    return item.status.phase in _DONE
