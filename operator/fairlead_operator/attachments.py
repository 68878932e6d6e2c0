"""Reconciles Attachments of one Backend: reads what is, asks the core, does it, and writes status once."""

import asyncio
import contextlib
import dataclasses
import logging
from datetime import UTC, datetime

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Attachment, ConnectionStatus, DetachPolicy, Volume
from fairlead_kube.node import OUT_OF_SERVICE, Node
from fairlead_operator.core import steps
from fairlead_operator.core.attachment import AttachmentFacts, Done, Failure, Seen, decide
from fairlead_operator.core.exports import ExportState, Wanted, begun, effective_mode
from fairlead_operator.core.placement import handle_for, place_attachment
from fairlead_operator.drivers.base import (
    BackendVolume,
    DriverError,
    ExportRequest,
    Fenced,
    IncompleteConnector,
)
from fairlead_operator.faultpoints import faultpoint
from fairlead_operator.keys import credentials, drop_secret, write_secret
from fairlead_operator.passes import Reconciler
from fairlead_operator.tenure import EFFECT_ERRORS, EFFECT_TIMEOUT, failure_of, shown, state_of
from fairlead_operator.view import Key, key_of

_log = logging.getLogger(__name__)


class AttachmentReconciler(Reconciler[AttachmentFacts, Done]):
    """See the module."""

    most_steps = 32  # a life needs ten

    def begin(self) -> Done:
        """Nothing done yet."""
        return Done()

    def decide(self, facts: AttachmentFacts) -> steps.AttachmentStep:
        """Ask the core."""
        return decide(facts)

    async def refresh(self, key: Key, facts: AttachmentFacts, step: steps.AttachmentStep) -> None:
        """Have a newer version of the Attachment, or of the Volume if its ledger was to be written; or read it live."""
        view, client, attachment = self._service.view, self._service.client, facts.attachment
        if isinstance(step, steps.Admit | steps.Release):
            volume = Key("Volume", key.namespace, attachment.spec.volume_name)
            await view.refresh(client, volume, decided_on=facts.volume)
        else:
            await view.refresh(client, key, decided_on=attachment)

    async def gather(self, key: Key, done: Done, failure: Failure | None) -> AttachmentFacts | None:
        """Read what is, live where the view may not be trusted."""
        service, view = self._service, self._service.view
        attachment = view.attachments.get(key.name, key.namespace)
        if attachment is None:
            return None
        volume = await view.volume(service.client, attachment.spec.volume_name, key.namespace)
        backends = view.backends_by_name()
        if place_attachment(attachment, volume, backends) != service.backend:
            return None
        connector, node_unknown = attachment.spec.connector, False
        node, node_gone = None, None
        if (name := attachment.spec.node_name) is not None:
            found = await view.connector(service.client, name)
            connector, node_unknown = (found.spec.connector, False) if found is not None else (None, True)
            # The uid that the status tells is that of the node it tells with it.
            known = attachment.status.node_uid if attachment.status.node_name == name else None
            node = await view.node(service.client, name, known=known)
            node_gone = _evidence(name, node, known)
            if node is not None and node_gone is not None:
                # A watch may lag behind another, and what is ended on old evidence does not come back.
                node = await view.node_now(service.client, name)
                node_gone = _evidence(name, node, known)
        initiator, flaw = None, None
        if connector:
            try:
                initiator = service.driver.validate_connector(connector)
            except IncompleteConnector as error:
                flaw = str(error)
        peers = view.attachments_of_volume.get((key.namespace, attachment.spec.volume_name))
        return AttachmentFacts(
            attachment=attachment,
            volume=volume,
            backend=service.backend,
            peers=peers,
            exported_peers=frozenset(p.metadata.uid for p in peers if service.book.get(p.handle) is not None),
            connector=connector or None,
            node_unknown=node_unknown,
            initiator=initiator,
            connector_flaw=flaw,
            export=await self._export_of(attachment),
            remade=service.book.remade(attachment.handle),
            sees_sessions=service.driver.capabilities.sees_sessions,
            node_uid=node.metadata.uid if node is not None else None,
            node_gone=node_gone,
            patience=service.patience,
            key_id=service.keys.current,
            unready=service.unready,
            failure=failure,
            done=done,
            now=datetime.now(UTC),
        )

    async def _export_of(self, attachment: Attachment) -> ExportState | None:
        """What is known of the export; who is logged in is asked again when a detach waits for that."""
        service, handle = self._service, attachment.handle
        state = service.book.get(handle)
        polite = attachment.deleting and attachment.spec.detach_policy is DetachPolicy.WAIT_FOR_LOGOUT
        if polite and state is not None and service.unready is None:
            # No answer is no news: what follows fails with the same cause, and says so where people look.
            with contextlib.suppress(*EFFECT_ERRORS):
                state = await self._read(handle)
        return state

    async def _read(self, handle: str) -> ExportState | None:
        """Ask the backend for an export, and note what it shows."""
        async with asyncio.timeout(EFFECT_TIMEOUT):
            state = state_of(await self._service.driver.get_export(handle))
        self._service.book.record(handle, state)
        return state

    async def _look(self, attachment: Attachment, request: str) -> Seen:
        """Ask the backend who is logged in. That it does not say is an answer too, and changes nothing else."""
        # From before the question: what is told is at least as new as that.
        seen = Seen(request=request, generation=attachment.metadata.generation, at=datetime.now(UTC))
        try:
            seen = dataclasses.replace(seen, export=await self._read(attachment.handle))
        except Fenced:
            raise  # whoever is in charge by now will answer
        except EFFECT_ERRORS as error:
            seen = dataclasses.replace(seen, unknown=failure_of(error).message)
        await faultpoint("look.after-look")
        return seen

    async def perform(self, facts: AttachmentFacts, step: steps.AttachmentStep, done: Done) -> Done:
        """Do one step."""
        service, attachment = self._service, facts.attachment
        match step:
            case steps.Adopt():
                await service.writer.adopt(attachment, backend=service.backend, handle=handle_for(attachment))
                await faultpoint("attach.after-adopt")
            case steps.Admit(status):
                assert facts.volume is not None
                service.assert_lease()
                await faultpoint("attach.before-ledger")
                await service.writer.status(facts.volume, status)
                await faultpoint("attach.after-ledger")
            case steps.Export():
                connection = await self._export(facts)
                return dataclasses.replace(done, connection=connection, unexported=False, seen=None)
            case steps.WriteSecret():
                chap = credentials(service.keys, attachment.handle, attachment.status.key_id)
                await write_secret(service.client, attachment, chap)
                await faultpoint("attach.after-secret")
                return dataclasses.replace(done, secret=True)
            case steps.DropSecret():
                await drop_secret(service.client, attachment)
                return dataclasses.replace(done, secret=False)
            case steps.WriteAttachmentStatus():
                await faultpoint("attach.before-status")
                await self._write_status(facts, step)
                await faultpoint("attach.after-status")
            case steps.Look(request):
                return dataclasses.replace(done, seen=await self._look(attachment, request))
            case steps.Unexport(handle, why):
                _log.info("%s: unexport: %s", key_of(attachment), why)
                service.assert_lease()
                await faultpoint("detach.before-unexport")
                async with asyncio.timeout(EFFECT_TIMEOUT):
                    cut = shown(await service.driver.remove_export(handle))
                service.book.record(handle, None)
                if cut:
                    message = f"cut off {', '.join(map(str, cut))}, still logged in: {why}"
                    service.recorder.warn(attachment, Reason.SESSION_CUT, message, "Detach")
                await faultpoint("detach.after-unexport")
                return dataclasses.replace(done, unexported=True, connection=None, seen=None)
            case steps.Release(_, status):
                assert facts.volume is not None
                await faultpoint("detach.before-release")
                await service.writer.status(facts.volume, status)
                await faultpoint("detach.after-release")
            case steps.Finalize():
                await faultpoint("detach.before-finalize")
                await service.writer.finalize(attachment)
            case steps.Expire(reason, message):
                _log.info("%s: ends: %s: %s", key_of(attachment), reason, message)
                service.recorder.warn(attachment, reason, message, "Detach")
                await service.writer.expire(attachment)
                await service.view.refresh(service.client, key_of(attachment))
            case steps.Wait():
                pass
        return done

    async def _export(self, facts: AttachmentFacts) -> ConnectionStatus:
        """Export, read back, and believe only what was read."""
        service, attachment, volume = self._service, facts.attachment, facts.volume
        assert volume is not None
        assert facts.connector is not None
        assert facts.initiator is not None
        mode = effective_mode(volume, attachment.spec, facts.connector)
        request = ExportRequest(
            handle=attachment.handle,
            volume=_backend_volume(volume),
            connector=facts.connector,
            access_mode=mode,
            credentials=credentials(service.keys, attachment.handle, attachment.status.key_id),
        )
        service.assert_lease()
        await faultpoint("attach.before-export")
        if service.book.get(attachment.handle) is None:
            # From here on it may be there, whatever becomes of the call: nobody is told otherwise before it is removed.
            service.book.record(attachment.handle, begun(volume.handle))
        async with asyncio.timeout(EFFECT_TIMEOUT):
            info = await service.driver.create_export(request)
            await faultpoint("attach.after-export")
            state = state_of(await service.driver.get_export(attachment.handle))
        service.book.record(attachment.handle, state)
        before = attachment.status
        if before.connection_info is not None and before.initiator == facts.initiator:
            service.book.note_remade(attachment.handle, datetime.now(UTC))
        wanted = Wanted(volume_handle=volume.handle, initiator=facts.initiator, access_mode=mode)
        if not wanted.met_by(state):
            raise DriverError(f"the export reads back as {state}, not as {wanted}; making it again")
        return ConnectionStatus(driver_volume_type=info.driver_volume_type, data=dict(info.data))

    async def _write_status(self, facts: AttachmentFacts, step: steps.WriteAttachmentStatus) -> None:
        written = await self._service.writer.status(facts.attachment, step.status)
        if step.event is not None:
            message = next((c.message for c in written.status.conditions if c.reason == step.event), step.event.value)
            action = "Detach" if facts.attachment.deleting else "Attach"
            self._service.recorder.warn(written, step.event, message, action)


def _evidence(name: str, node: Node | None, known: str | None) -> str | None:
    """Return what shows that a node is gone for good; a node that merely does not answer is not gone."""
    if node is None:
        return f"Node {name!r} (uid {known}) was deleted" if known is not None else None
    if node.out_of_service:
        return f"Node {name!r} has the taint {OUT_OF_SERVICE}"
    if known is not None and node.metadata.uid != known:
        return f"Node {name!r} is another than the one attached to (uid {known})"
    return None


def _backend_volume(volume: Volume) -> BackendVolume:
    return BackendVolume(handle=volume.handle, size=volume.status.capacity or volume.spec.size_bytes)
