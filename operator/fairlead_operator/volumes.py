"""Reconciles Volumes of one Backend: provisions, grows, deletes, and frees ledgers of holders that vanished."""

import asyncio
import dataclasses
import logging
from collections.abc import Sequence
from datetime import UTC, datetime

from fairlead_crds.kinds import Holder, Volume
from fairlead_kube.endpoints import ATTACHMENTS
from fairlead_kube.errors import NotFound
from fairlead_operator.core import steps
from fairlead_operator.core.attachment import Failure
from fairlead_operator.core.placement import handle_for, place_volume, refusal
from fairlead_operator.core.volume import VolumeFacts, decide
from fairlead_operator.drivers.base import BackendVolume
from fairlead_operator.faultpoints import faultpoint
from fairlead_operator.passes import Reconciler
from fairlead_operator.tenure import EFFECT_TIMEOUT
from fairlead_operator.view import Key, key_of

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Seen:
    """What this pass has learnt and achieved."""

    unexported: frozenset[str] = frozenset()
    size: int | None = None
    absent: bool = False
    deleted: bool = False


class VolumeReconciler(Reconciler[VolumeFacts, _Seen]):
    """See the module."""

    most_steps = 64 * 2 + 16  # a full ledger of vanished holders, two steps each, and the rest of a life

    def begin(self) -> _Seen:
        """Nothing seen yet."""
        return _Seen()

    def decide(self, facts: VolumeFacts) -> steps.VolumeStep:
        """Ask the core."""
        return decide(facts)

    async def refresh(self, key: Key, facts: VolumeFacts, step: steps.VolumeStep) -> None:
        """Have a newer version of the Volume, or read it live."""
        await self._service.view.refresh(self._service.client, key, decided_on=facts.volume)

    async def gather(self, key: Key, done: _Seen, failure: Failure | None) -> VolumeFacts | None:
        """Read what is, live where the view may not be trusted."""
        service = self._service
        volume = service.view.volumes.get(key.name, key.namespace)
        if volume is None:
            return None
        backends = service.view.backends_by_name()
        if place_volume(volume, backends) != service.backend:
            return None
        return VolumeFacts(
            volume=volume,
            backend=service.backend,
            refusal=self._refusal(volume),
            vanished=await self._vanished(volume),
            unexported=done.unexported,
            size=done.size,
            absent=done.absent or volume.handle in service.lost,
            deleted=done.deleted,
            exported=service.book.exports_volume(volume.handle),
            unready=service.unready,
            failure=failure,
            now=datetime.now(UTC),
        )

    def _refusal(self, volume: Volume) -> Failure | None:
        view, name = self._service.view, self._service.backend
        source = volume.spec.source
        claimants = view.volumes_by_handle.get(source.handle) if source is not None else ()
        owner = next((other for other in claimants if other.metadata.uid != volume.metadata.uid), None)
        return refusal(volume, name, view.backends.get(name), owner)

    async def _vanished(self, volume: Volume) -> Sequence[Holder]:
        """Return the holders whose Attachment does not exist any more; a live read has the last word."""
        vanished = []
        for holder in volume.status.attachments:
            if self._service.view.attachments_by_uid.get(holder.uid):
                continue
            try:
                found = await self._service.client.get(ATTACHMENTS, holder.name, volume.metadata.namespace)
            except NotFound:
                vanished.append(holder)
                continue
            self._service.view.take(found)
            if found.metadata.uid != holder.uid:
                vanished.append(holder)
        return vanished

    async def perform(self, facts: VolumeFacts, step: steps.VolumeStep, done: _Seen) -> _Seen:
        """Do one step."""
        service, volume, driver = self._service, facts.volume, self._service.driver
        wanted = BackendVolume(handle=volume.handle, size=volume.spec.size_bytes)
        match step:
            case steps.Adopt():
                await service.writer.adopt(volume, backend=service.backend, handle=handle_for(volume))
            case steps.CreateVolume():
                service.assert_lease()
                await faultpoint("volume.before-create")
                async with asyncio.timeout(EFFECT_TIMEOUT):
                    await driver.create_volume(wanted)
                    size = await driver.volume_size(volume.handle)
                await faultpoint("volume.after-create")
                return dataclasses.replace(done, size=size)
            case steps.FindVolume():
                size = await driver.volume_size(volume.handle)
                return dataclasses.replace(done, size=size, absent=size is None)
            case steps.ExtendVolume():
                service.assert_lease()
                async with asyncio.timeout(EFFECT_TIMEOUT):
                    await driver.extend_volume(wanted)
                    size = await driver.volume_size(volume.handle)
                return dataclasses.replace(done, size=size)
            case steps.DeleteVolume():
                service.assert_lease()
                await faultpoint("volume.before-delete")
                async with asyncio.timeout(EFFECT_TIMEOUT):
                    await driver.delete_volume(volume.handle)
                await faultpoint("volume.after-delete")
                service.lost.discard(volume.handle)
                return dataclasses.replace(done, deleted=True)
            case steps.Unexport(handle, why):
                _log.info("%s: unexport of %s: %s", key_of(volume), handle, why)
                service.assert_lease()
                async with asyncio.timeout(EFFECT_TIMEOUT):
                    await driver.remove_export(handle)
                service.book.record(handle, None)
                assert facts.vanished
                return dataclasses.replace(done, unexported=done.unexported | {facts.vanished[0].uid})
            case steps.Release(_, status):
                await service.writer.status(volume, status)
            case steps.WriteVolumeStatus():
                await self._write_status(facts, step)
            case steps.Finalize():
                await service.writer.finalize(volume)
            case steps.Wait():
                pass
        return done

    async def _write_status(self, facts: VolumeFacts, step: steps.WriteVolumeStatus) -> None:
        written = await self._service.writer.status(facts.volume, step.status)
        if step.event is not None:
            message = next((c.message for c in written.status.conditions if c.reason == step.event), "")
            self._service.recorder.warn(written, step.event, message, "Provision")
