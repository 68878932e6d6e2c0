"""What the attachments API does: create, update, complete, delete.

Each writes the Attachment's spec (or asks for its deletion), then waits on the mirror's watch for the operator's
answer. What fails is rolled back, so that a refused request leaves nothing behind.
"""

import logging
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fairlead_api.attachments import state
from fairlead_api.attachments.permission import Check, DetachPermissions
from fairlead_api.attachments.schemas import NewAttachment
from fairlead_api.attachments.state import Verdict
from fairlead_api.attachments.waiting import Judge, wait_for_operator
from fairlead_api.cache.lookup import Lookup
from fairlead_api.cache.mirror import Mirror
from fairlead_api.cache.revision import Operation, Writer, annotate, drop, put
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.detach_guard import check_move
from fairlead_api.identity.projects import Projects
from fairlead_api.protocol.faults import BackendFailed, BadRequest, Conflict, Fault, NotFound, TimedOut
from fairlead_api.volumes import gate
from fairlead_api.volumes.admin_metadata import is_read_only
from fairlead_api.volumes.operations import VolumeOperations
from fairlead_api.volumes.status import derive, last_event, recompute
from fairlead_crds import names
from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import AccessMode, Attachment, ConflictPolicy, Volume
from fairlead_kube.errors import KubeError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AttachmentOperations:
    """The attachments API's verbs. `timeout` is the seconds an answer of the operator is waited for."""

    writer: Writer[Attachment]
    mirror: Mirror
    lookup: Lookup
    projects: Projects
    volumes: VolumeOperations
    permissions: DetachPermissions
    timeout: float

    async def create(self, caller: Caller, asked: NewAttachment) -> Attachment:
        """Reserve a volume and, with a connector, have it exported.

        Raises:
            NotFound: there is no such volume.
            BadRequest: the volume's status forbids it, or the connector lacks what the backend needs.
            BackendFailed: the backend did not export it.
            TimedOut: the operator did not answer in time.
        """
        volume = await self.lookup.volume(caller, asked.volume_uuid)
        caller.require("volume:attachment_create")
        instance = asked.instance_uuid or None
        volume = await self.volumes.admit(
            volume, lambda now: gate.check_reserve(now, self.mirror.attachments_of(now), instance)
        )
        return await self.begin(volume, asked)

    async def begin(self, volume: Volume, asked: NewAttachment) -> Attachment:
        """Create an attachment without asking the gate; raises as `create` does."""
        attachment = await self.writer.create(_body(volume, asked), volume.metadata.namespace)
        answer, verdict = await self._answer(attachment, connect=bool(asked.connector))
        if verdict is Verdict.DONE:
            assert answer is not None
            return answer
        fault = self._refusal(volume, answer, verdict, "create attachment for volume")
        await self._remove(attachment)
        raise fault

    async def update(self, caller: Caller, attachment: Attachment, connector: dict[str, Any]) -> Attachment:
        """Export an attachment's volume to the node that the connector describes; another node is fenced first.

        Raises:
            BadRequest: the connector lacks what the API or the backend needs.
            Conflict: the volume is in error, or two attachments would have connectors.
            BackendFailed: the backend did not export it; the reservation stays.
            TimedOut: the operator did not answer in time; the reservation stays.
        """
        if "host" not in connector:
            raise BadRequest("Invalid input for field/attribute connector. 'host' is a required property")
        self._require(caller, attachment, "volume:attachment_update")
        volume = await self.volumes.admit(
            self._volume_of(attachment), lambda now: gate.check_connect(now, self.mirror.attachments_of(now))
        )

        def connect(current: Attachment) -> list[Operation]:
            check_move(caller, current)
            gate.check_connect(volume, self.mirror.attachments_of(volume))
            return _connect(current, connector)

        written = await self.writer.revise(attachment, connect)
        await self.volumes.forget_override(volume)
        answer, verdict = await self._answer(written, connect=True)
        if verdict is Verdict.DONE:
            assert answer is not None
            return answer
        fault = self._refusal(volume, answer, verdict, "update attachment")
        if verdict is not Verdict.GONE:
            try:
                await self.disconnect(written, attachment.spec.access_mode)
            except (KubeError, Fault) as error:
                _log.error("attachment %s could not be taken back to reserved: %s", attachment.id, error)
        raise fault

    async def disconnect(self, attachment: Attachment, mode: AccessMode | None, check: Check | None = None) -> None:
        """Take the connector away, which fences the node: nothing exported, still reserved.

        Args:
            attachment: as last seen.
            mode: the mode it was asked for before it got its connector.
            check: whether it may be, asked of each version that this is decided on.

        Raises:
            Conflict: the check says that it may not.
            TimedOut: the operator did not answer in time.
            BackendFailed: the backend did not take the export away.
        """

        def decide(current: Attachment) -> list[Operation]:
            if check is not None:
                check(current)
            operations = [] if current.spec.connector is None else [drop("/spec/connector")]
            if mode is None and current.spec.access_mode is not None:
                operations.append(drop("/spec/accessMode"))
            return operations

        written = await self.writer.revise(attachment, decide)
        answer, verdict = await self._answer(written, connect=False)
        if verdict is not Verdict.DONE:
            volume = self._volume_of(attachment)
            raise self._refusal(volume, answer, verdict, "disconnect attachment")

    async def complete(self, caller: Caller, attachment: Attachment) -> None:
        """Take the node's word that it has connected. As in the real service, nothing is checked."""
        self._require(caller, attachment, "volume:attachment_complete")
        await self.writer.revise(attachment, completion)
        volume = self.mirror.volume_of(attachment)
        if volume is not None:
            await self.volumes.forget_override(volume)

    async def delete(self, caller: Caller, attachment: Attachment) -> Sequence[Attachment]:
        """Detach, which fences the node, and return the attachments left on the volume.

        Raises:
            Conflict: an instance uses it, the caller does not speak for Nova, and the node may be logged in.
            BackendFailed: the backend did not take the export away; the operator keeps trying.
            TimedOut: it is still being taken away.
        """
        self._require(caller, attachment, "volume:attachment_delete")
        newest, check = await self.permissions.ask(caller, attachment)
        await self.writer.delete(newest, check)
        meta = attachment.metadata
        answer, verdict = await self._wait(attachment, lambda item: state.detached(item, uid=meta.uid))
        if verdict is None:
            raise TimedOut(
                f"Unable to delete attachment {attachment.id}: the operator has not taken the export away within "
                f"{self.timeout:g} s ({_progress(answer)}). It keeps trying."
            )
        if verdict is Verdict.FAILED:
            raise BackendFailed(
                f"Unable to delete attachment {attachment.id} (Bad or unexpected response from the storage volume "
                f"backend API: {state.explanation(answer)}). The operator keeps trying."
            )
        volume = self.mirror.volume_of(attachment)
        if volume is None:
            return ()
        left = derive(volume, self.mirror.attachments_of(volume)).attachments
        if left and last_event(volume, left) != (status := recompute(left)):
            await self.volumes.set_override(volume, status)
        return left

    # --- steps -------------------------------------------------------------------------------------------------------

    def _require(self, caller: Caller, attachment: Attachment, rule: str) -> None:
        caller.require(rule, self.projects.project_of(attachment.metadata.namespace))

    def _volume_of(self, attachment: Attachment) -> Volume:
        volume = self.mirror.volume_of(attachment)
        if volume is None:
            raise NotFound(f"Volume {attachment.spec.volume_name} could not be found.")
        return volume

    async def _answer(self, written: Attachment, *, connect: bool) -> tuple[Attachment | None, Verdict | None]:
        meta = written.metadata
        return await self._wait(
            written,
            lambda item: state.verdict(item, uid=meta.uid, generation=meta.generation, connect=connect),
        )

    async def _wait(self, written: Attachment, judge: Judge) -> tuple[Attachment | None, Verdict | None]:
        return await wait_for_operator(self.writer.store, written, judge, self.timeout)

    def _refusal(self, volume: Volume, answer: Attachment | None, verdict: Verdict | None, what: str) -> Fault:
        """The fault for a verdict that is not success."""
        told = state.explanation(answer)
        match verdict:
            case Verdict.REFUSED if state.blocking_reason(answer) == Reason.VOLUME_DELETED:
                return NotFound(f"Volume {volume.id} could not be found. {told}")
            case Verdict.REFUSED:
                status = derive(volume, self.mirror.attachments_of(volume)).status
                return gate.cannot_reserve(volume, status, told)
            case Verdict.INCOMPLETE:
                return BadRequest(f"Invalid input received: {told}")
            case Verdict.FAILED:
                return BackendFailed(
                    f"Unable to {what} (Bad or unexpected response from the storage volume backend API: {told})."
                )
            case Verdict.GONE:
                return Conflict(f"Resource conflict: the attachment of volume {volume.id} was deleted meanwhile.")
            case _:
                return TimedOut(
                    f"Unable to {what}: the operator has not answered within {self.timeout:g} s ({_progress(answer)})."
                )

    async def _remove(self, attachment: Attachment) -> None:
        """Roll a create back: what this call made must be gone when the caller reads the refusal."""
        meta = attachment.metadata
        try:
            await self.writer.delete(attachment)
            await self._wait(attachment, lambda item: state.detached(item, uid=meta.uid))
        except (KubeError, Fault) as error:
            _log.error("attachment %s/%s could not be rolled back: %s", meta.namespace, meta.name, error)


def _body(volume: Volume, asked: NewAttachment) -> dict[str, Any]:
    id_ = str(uuid.uuid4())
    spec: dict[str, Any] = {
        "volumeName": volume.metadata.name,
        "conflictPolicy": ConflictPolicy.REJECT,
        "writeSecret": False,
    }
    if asked.instance_uuid:
        spec["instanceID"] = asked.instance_uuid
    if asked.connector:
        spec["connector"] = asked.connector
    mode = AccessMode.READ_ONLY if is_read_only(volume) else asked.asked_mode
    if mode is not None:
        spec["accessMode"] = mode
    backend = volume.metadata.labels.get(names.LABEL_BACKEND) or volume.status.backend_name
    return {
        "apiVersion": names.API_VERSION,
        "kind": Attachment.kind,
        "metadata": {
            "name": id_,
            "namespace": volume.metadata.namespace,
            "finalizers": [names.FINALIZER],
            "labels": {names.LABEL_ID: id_} | ({names.LABEL_BACKEND: backend} if backend else {}),
            "annotations": {
                names.ANNOTATION_HANDLE: id_,
                names.ANNOTATION_CREATED: datetime.now(UTC).isoformat(timespec="microseconds"),
            },
        },
        "spec": spec,
    }


def _connect(current: Attachment, connector: dict[str, Any]) -> list[Operation]:
    """The patch that gives an attachment its connector; a mode settled earlier stays and wins."""
    operations = [put("/spec/connector", connector), put("/spec/completed", False)]
    if current.spec.node_name is not None:
        operations.append(drop("/spec/nodeName"))
    if current.spec.access_mode is None:
        mode = connector.get("mode") or state.READ_WRITE
        if mode in (state.READ_ONLY, state.READ_WRITE):
            settled = AccessMode.READ_ONLY if mode == state.READ_ONLY else AccessMode.READ_WRITE
            operations.append(put("/spec/accessMode", settled))
    return operations


def completion(current: Attachment) -> list[Operation]:
    """The patch that completes an attachment."""
    if current.spec.completed:
        return []
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return [put("/spec/completed", True), *annotate(current, {state.ANNOTATION_COMPLETED: now})]


def _progress(attachment: Attachment | None) -> str:
    """What is being waited for, for the caller to read."""
    if attachment is None:
        return "the attachment is gone"
    told = state.explanation(attachment)
    if told:
        return f"{state.blocking_reason(attachment)}: {told}"
    return f"phase {attachment.status.phase}; is an operator serving its backend?"
