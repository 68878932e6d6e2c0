"""Finding a volume or an attachment by id, as the caller may see it.

A hit comes from the mirror. A miss is confirmed by a live list by label, so that what another replica has just created
is found here too; an attachment that the mirror shows as not admitted is read live before it is denied. An
administrator's id that two namespaces hold (after a restore, say) is refused, because acting on either could be wrong.
"""

from typing import Any, TypeVar

from fairlead_api.attachments.state import is_admitted
from fairlead_api.cache.mirror import Mirror
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.projects import Projects
from fairlead_api.protocol.faults import Conflict, NotFound
from fairlead_api.protocol.validation import is_uuid
from fairlead_crds import names
from fairlead_crds.kinds import Attachment, Resource, Volume
from fairlead_kube import errors as kube
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, VOLUMES, Endpoint
from fairlead_kube.store import Index, Store

R = TypeVar("R", bound=Resource[Any, Any])


class Lookup:
    """Finds resources by id."""

    def __init__(self, client: KubeClient, mirror: Mirror, projects: Projects) -> None:
        self._client = client
        self._mirror = mirror
        self._projects = projects

    async def volume(self, caller: Caller, volume_id: str) -> Volume:
        """Return a volume.

        Raises:
            NotFound: the caller sees no such volume.
            Conflict: the id is ambiguous.
        """
        found = await self._find(caller, volume_id, VOLUMES, self._mirror.volumes, self._mirror.volumes_by_id)
        if found is None:
            raise NotFound(f"Volume {volume_id} could not be found.")
        return found

    async def attachment(self, caller: Caller, attachment_id: str) -> Attachment:
        """Return an attachment that has been admitted; those that wait or were refused are not REST's.

        Raises:
            NotFound: the caller sees no such attachment.
            Conflict: the id is ambiguous.
        """
        mirror = self._mirror
        found = await self._find(caller, attachment_id, ATTACHMENTS, mirror.attachments, mirror.attachments_by_id)
        if found is not None and not is_admitted(found):
            # The mirror may be behind what the caller was told elsewhere, and whoever deletes takes a 404 for detached.
            found = await self._live(found)
        if found is None or not is_admitted(found):
            raise NotFound(f"Volume attachment could not be found with filter: attachment_id = {attachment_id}.")
        return found

    async def _live(self, stale: Attachment) -> Attachment | None:
        try:
            found = await self._client.get(ATTACHMENTS, stale.metadata.name, stale.metadata.namespace)
        except kube.NotFound:
            return None
        self._mirror.attachments.apply(found)
        return found if found.metadata.uid == stale.metadata.uid else None

    async def _find(
        self, caller: Caller, id_: str, endpoint: Endpoint[R], store: Store[R], index: Index[R]
    ) -> R | None:
        if not is_uuid(id_):
            return None
        id_ = id_.lower()
        own = await self._projects.find(caller.project)
        found = _pick(index.get(id_), own, caller)
        if found is None and (caller.admin or own is not None):
            namespace = "" if caller.admin or own is None else own
            listing = await self._client.list(endpoint, namespace, label_selector=f"{names.LABEL_ID}={id_}")
            for item in listing.items:
                store.apply(item)
            found = _pick(index.get(id_), own, caller)
        return found


def _pick(candidates: list[R], own: str | None, caller: Caller) -> R | None:
    """Choose among objects of one id: the caller's own project first, then, for an administrator, any."""
    for candidate in candidates:
        if candidate.metadata.namespace == own:
            return candidate
    if not caller.admin or not candidates:
        return None
    if len(candidates) > 1:
        places = ", ".join(sorted(f"{c.metadata.namespace}/{c.metadata.name}" for c in candidates))
        raise Conflict(f"The id {candidates[0].id} is ambiguous: {places}. Name the project in the URL.")
    return candidates[0]
