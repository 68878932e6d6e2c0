"""What the volumes API writes: create, change, delete, and the status that is set by hand."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fairlead_api.attachments.permission import DetachPermissions
from fairlead_api.attachments.state import AttachStatus, attach_status
from fairlead_api.cache.mirror import Mirror
from fairlead_api.cache.revision import Operation, Writer, annotate
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.projects import Projects
from fairlead_api.protocol.faults import Fault
from fairlead_api.volumes import gate
from fairlead_api.volumes.admin_metadata import admin_metadata, annotation
from fairlead_api.volumes.schemas import NewVolume
from fairlead_api.volumes.status import VolumeState, admitted, derive, overridden, override
from fairlead_api.volumes.types import VolumeTypes
from fairlead_crds import names
from fairlead_crds.kinds import Attachment, Volume

Decide = Callable[[Volume], Sequence[Operation]]


@dataclass(frozen=True, kw_only=True)
class VolumeOperations:
    """The volumes API's verbs."""

    writer: Writer[Volume]
    attachments: Writer[Attachment]
    permissions: DetachPermissions
    mirror: Mirror
    projects: Projects
    types: VolumeTypes

    def state(self, volume: Volume) -> VolumeState:
        """Return a volume's state."""
        return derive(volume, self.mirror.attachments_of(volume))

    async def create(self, caller: Caller, asked: NewVolume) -> Volume:
        """Create a volume; the backend makes it afterwards.

        Raises:
            NotFound: its type or its source does not exist.
            BadRequest: it cannot be made as asked.
        """
        caller.require("volume:create")
        asked.check_sources()
        namespace = await self.projects.require(caller.project)
        chosen = self.types.choose(asked.volume_type, namespace)
        id_ = str(uuid.uuid4())
        spec: dict[str, Any] = {
            "size": f"{asked.size}Gi",
            "backendName": chosen.backend,
            "multiAttach": chosen.multi_attach,
            "metadata": dict(asked.metadata or {}),
        }
        if asked.display_name is not None:
            spec["displayName"] = asked.display_name
        if asked.display_description is not None:
            spec["displayDescription"] = asked.display_description
        body = {
            "apiVersion": names.API_VERSION,
            "kind": Volume.kind,
            "metadata": {
                "name": id_,
                "namespace": namespace,
                "finalizers": [names.FINALIZER],
                "labels": {names.LABEL_ID: id_, names.LABEL_BACKEND: chosen.backend},
                "annotations": {
                    names.ANNOTATION_HANDLE: id_,
                    names.ANNOTATION_CREATED: datetime.now(UTC).isoformat(timespec="microseconds"),
                    names.ANNOTATION_USER: caller.user,
                },
            },
            "spec": spec,
        }
        return await self.writer.create(body, namespace)

    async def change(self, caller: Caller, volume: Volume, rule: str, decide: Decide) -> Volume:
        """Change a volume under a policy rule, and note when, in the same patch."""
        self.require(caller, volume, rule)

        def stamped(current: Volume) -> list[Operation]:
            operations = list(decide(current))
            if not operations:
                return operations
            # A volume that REST shows has its handle among its annotations, so the map is there.
            now = datetime.now(UTC).isoformat(timespec="microseconds")
            return [*operations, *annotate(current, {names.ANNOTATION_UPDATED: now})]

        return await self.writer.revise(volume, stamped)

    def require(self, caller: Caller, volume: Volume, rule: str) -> None:
        """Check a policy rule on a volume."""
        caller.require(rule, self.projects.project_of(volume.metadata.namespace))

    async def delete(self, caller: Caller, volume: Volume, *, force: bool = False) -> None:
        """Ask for a volume's deletion. Reservations that stand in the way, when its status allows it, go too.

        Raises:
            BadRequest: its status forbids it, or it is attached.
        """
        if force:
            caller.require_admin("volume_extension:volume_admin_actions:force_delete")
        self.require(caller, volume, "volume:delete")

        def check(current: Volume) -> None:
            gate.check_delete(current, self.state(current), force=force)

        volume = await self.admit(volume, check)
        for attachment in self.mirror.attachments_of(volume):
            if attach_status(attachment) is not AttachStatus.ATTACHED:
                newest, guard = await self.permissions.ask(caller, attachment)
                await self.attachments.delete(newest, guard)
        await self.writer.delete(volume, check)

    async def admit(self, volume: Volume, check: Callable[[Volume], None]) -> Volume:
        """Ask a gate; before it refuses, ask it again of what a live read says.

        Another replica may have ended a moment ago what stands in the way, and told its caller so.

        Returns:
            The volume as it was let through.
        """
        try:
            check(volume)
        except Fault:
            volume = await self.mirror.catch_up(volume)
            check(volume)
        return volume

    # --- the status set by hand --------------------------------------------------------------------------------------

    async def set_override(self, volume: Volume, status: str) -> Volume:
        """Make a volume show a status until the next event on it."""
        text = override(status, admitted(self.mirror.attachments_of(volume)))
        return await self.writer.revise(volume, lambda current: annotate(current, {names.ANNOTATION_STATUS: text}))

    async def forget_override(self, volume: Volume) -> None:
        """Let an event overwrite a status that was set by hand. Without one nothing is written."""
        newest = self.writer.store.get(volume.metadata.name, volume.metadata.namespace) or volume
        if overridden(newest, admitted(self.mirror.attachments_of(newest))) is not None:
            await self.writer.revise(newest, lambda current: annotate(current, {names.ANNOTATION_STATUS: None}))


def set_admin_metadata(volume: Volume, **changes: str) -> list[Operation]:
    """The patch that sets keys of a volume's admin metadata."""
    return annotate(volume, {names.ANNOTATION_ADMIN_METADATA: annotation({**admin_metadata(volume), **changes})})
