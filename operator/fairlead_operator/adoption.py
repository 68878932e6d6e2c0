"""W0 for Backends whose operators see only what carries their label: the controller puts it on.

The same write by which any other operator makes an object its own, so that dividing the work costs none more. Volumes
come first: an operator that has an Attachment has its Volume too.
"""

import asyncio

from fairlead_crds.conditions import READY, Reason, find, is_true
from fairlead_crds.kinds import Attachment, Backend, Volume
from fairlead_crds.names import ANNOTATION_HANDLE, LABEL_ID
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import VOLUMES
from fairlead_operator.core.facts import is_adopted
from fairlead_operator.core.placement import Unplaced, handle_for, refusal
from fairlead_operator.shard import backend_label
from fairlead_operator.writes import Writer


class Adoption:
    """See the module. What each method returns is why not, or not yet; None: nothing to say."""

    def __init__(self, client: KubeClient, writer: Writer) -> None:
        self._client = client
        self._writer = writer
        # Of two Volumes that claim the same data only one may find them unclaimed.
        self._claiming = asyncio.Lock()

    async def volume(self, volume: Volume, backend: Backend) -> Unplaced | None:
        """Adopt a Volume, unless the Backend refuses it."""
        if not _wants_adoption(volume):
            return None
        async with self._claiming:
            # What was adopted once is the Backend's, whoever tore the label off.
            if ANNOTATION_HANDLE not in volume.metadata.annotations:
                why = refusal(volume, backend.metadata.name, backend, await self._owner_of_source(volume))
                if why is not None:
                    return Unplaced(why.reason, why.message)
            await self._writer.adopt(volume, backend=backend.metadata.name, handle=handle_for(volume))
        return None

    async def attachment(self, attachment: Attachment, volume: Volume | None, backend: Backend) -> Unplaced | None:
        """Adopt an Attachment once its Volume is; one that is being deleted at once, so that it can be detached."""
        if not _wants_adoption(attachment):
            return None
        if not attachment.deleting and volume is not None and backend_label(volume) is None:
            conditions = volume.status.conditions
            ready = find(conditions, READY)
            if ready is None or is_true(conditions, READY):
                return None
            message = f"Volume {volume.metadata.name!r} is not ready yet: {ready.message}"
            return Unplaced(Reason.VOLUME_NOT_READY, message)
        await self._writer.adopt(attachment, backend=backend.metadata.name, handle=handle_for(attachment))
        return None

    async def _owner_of_source(self, volume: Volume) -> Volume | None:
        """Return the Volume that has the data which this one asks to take over, as a live list says.

        A handle is the id of the Volume that was made with it, or was taken over as a source.
        """
        source = volume.spec.source
        if source is None:
            return None
        found = list((await self._client.list(VOLUMES, field_selector=f"spec.source.handle={source.handle}")).items)
        if source.handle[-1].isalnum():  # what is no value of a label is nobody's id
            found += (await self._client.list(VOLUMES, label_selector=f"{LABEL_ID}={source.handle}")).items
        others = (v for v in found if v.metadata.uid != volume.metadata.uid and v.handle == source.handle)
        return next(others, None)


def _wants_adoption(item: Volume | Attachment) -> bool:
    """Whether an operator has to see it. What is going and was never ours goes by itself."""
    return not is_adopted(item) and (item.guarded or not item.deleting)
