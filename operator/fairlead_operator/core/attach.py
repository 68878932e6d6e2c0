"""What an Attachment that is wanted needs next: to be admitted, then exported or kept reserved."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from fairlead_crds.conditions import ADMITTED, EXPORTED, ConditionStatus, Reason, find, is_true
from fairlead_crds.kinds import (
    Attachment,
    AttachmentPhase,
    ConflictPolicy,
    SecretReference,
    Volume,
)
from fairlead_crds.names import connection_secret
from fairlead_operator.core import ledger, phrases, steps
from fairlead_operator.core.exports import Wanted, effective_mode
from fairlead_operator.core.facts import AttachmentFacts


def attach(facts: AttachmentFacts) -> steps.AttachmentStep:
    """Admit it when the volume is free for it, then keep the export as the connector wants it."""
    attachment, volume = facts.attachment, facts.volume
    pinned = attachment.status.volume_uid
    if volume is None or (pinned is not None and pinned != volume.metadata.uid):
        name = attachment.spec.volume_name
        if pinned is not None:
            return _reject(facts, Reason.VOLUME_DELETED, f"Volume {name!r} was deleted; create the Attachment anew")
        return _wait_for_volume(facts, Reason.VOLUME_NOT_FOUND, f"there is no Volume {name!r} in this namespace")
    if ledger.holder_of(volume, attachment.metadata.uid) is None:
        return _admit(facts, volume)
    return _export(facts, volume)


def _admit(facts: AttachmentFacts, volume: Volume) -> steps.AttachmentStep:
    attachment = facts.attachment
    if volume.deleting:
        return _reject(facts, Reason.VOLUME_DELETED, f"Volume {volume.metadata.name!r} is being deleted")
    unlisted = _unlisted(facts, volume) if facts.export is None else []
    going = [peer for peer in unlisted if _is_going(peer)]
    holders = ledger.in_the_way(_with_holders(volume, going, facts.now), attachment)
    if holders:
        message = f"Volume {volume.metadata.name!r} is held by {ledger.describe(holders)}"
        if attachment.spec.conflict_policy is ConflictPolicy.REJECT:
            return _reject(facts, Reason.VOLUME_IN_USE, message)
        step = _wait_for_volume(facts, Reason.VOLUME_IN_USE, message)
        # When one goes that no ledger names, no change of the Volume tells.
        return steps.Wait(retry=True) if going and isinstance(step, steps.Wait) else step
    if not is_true(volume.status.conditions, "Ready"):
        ready = next((c for c in volume.status.conditions if c.type == "Ready"), None)
        why = f": {ready.message}" if ready is not None and ready.message else ""
        return _wait_for_volume(
            facts, Reason.VOLUME_NOT_READY, f"Volume {volume.metadata.name!r} is not ready yet{why}"
        )
    if len(unlisted) > len(going):
        # The ledger was lost (objects restored from a backup) while exports live on: their owners come first.
        return steps.Wait(retry=True)
    if facts.export is None and ledger.ahead_in_line(volume, attachment, facts.peers) is not None:
        # It will be admitted in a moment, which wakes us; then there is a holder to name.
        return steps.Wait(retry=True)
    mode = effective_mode(volume, attachment.spec, facts.connector)
    return steps.Admit(ledger.with_holder(volume, attachment, mode, facts.now))


def _unlisted(facts: AttachmentFacts, volume: Volume) -> list[Attachment]:
    """Return the others that have the volume exported and are not in its ledger."""
    exported = (p for p in facts.peers if p.metadata.uid in facts.exported_peers - {facts.attachment.metadata.uid})
    return [peer for peer in exported if ledger.holder_of(volume, peer.metadata.uid) is None]


def _is_going(peer: Attachment) -> bool:
    """Whether it will be cut off, and not be in the ledger again: until then it has the volume all the same."""
    return peer.deleting or peer.status.rejected_at is not None


def _with_holders(volume: Volume, attachments: Iterable[Attachment], now: datetime) -> Volume:
    for attachment in attachments:
        mode = effective_mode(volume, attachment.spec, None)
        volume = volume.model_copy(update={"status": ledger.with_holder(volume, attachment, mode, now)})
    return volume


def _wait_for_volume(facts: AttachmentFacts, reason: Reason, message: str) -> steps.AttachmentStep:
    # A volume that is not ready yet takes nobody's place away: a live export waits for it too.
    if facts.export is not None and not facts.done.unexported and reason is not Reason.VOLUME_NOT_READY:
        return steps.Unexport(facts.attachment.handle, f"not admitted: {message}")
    absent = None if facts.export is not None or phrases.may_be_unseen(facts) else False
    before = find(facts.attachment.status.conditions, ADMITTED)
    end, event = None, None
    if facts.patience is not None and before is not None and before.status is ConditionStatus.FALSE:
        end = before.last_transition_time + facts.patience
        if facts.now >= end:
            message = f"{message}; it has waited for more than {facts.patience.total_seconds():.0f} s"
            end, event = None, reason
    conditions = phrases.conditions(
        facts,
        phrases.condition(facts, ADMITTED, False, reason, message),
        phrases.condition(facts, EXPORTED, absent, Reason.NOT_ADMITTED, "waits to be admitted"),
    )
    uid = facts.attachment.status.volume_uid or (facts.volume.metadata.uid if facts.volume is not None else None)
    step = phrases.write(
        facts, conditions, AttachmentPhase.PENDING, reason, event=event, volume_uid=uid, connection_info=None
    )
    return step or steps.Wait(until=end)


def _export(facts: AttachmentFacts, volume: Volume) -> steps.AttachmentStep:
    attachment = facts.attachment
    if facts.failure is not None:
        return phrases.failing(facts, AttachmentPhase.EXPORTING)
    reserved = not facts.connector
    same_node = attachment.status.node_name == attachment.spec.node_name
    if facts.node_unknown and same_node and facts.export is not None and not facts.done.unexported:
        # Its NodeConnector is gone, which says nothing of the node: what it has, it keeps.
        return steps.Wait()
    refused = facts.node_unknown or facts.connector_flaw is not None
    stale = facts.export is not None and (reserved or refused or facts.export.initiator not in (None, facts.initiator))
    if stale and not facts.done.unexported:
        if facts.unready is not None:
            return phrases.failing(facts, AttachmentPhase.EXPORTED, phrases.unready(facts))
        why = "the connector changed" if facts.connector else "the connector is gone"
        return steps.Unexport(attachment.handle, why)
    if (refused or reserved) and attachment.status.secret_ref is not None and facts.done.secret is None:
        # Credentials of nothing; the next export may be under another key.
        return steps.DropSecret()
    if refused:
        return _refused_connector(facts, volume)
    if reserved:
        return _reserved(facts, volume)
    return _exported(facts, volume)


def _exported(facts: AttachmentFacts, volume: Volume) -> steps.AttachmentStep:
    attachment, connector = facts.attachment, facts.connector or {}
    assert facts.initiator is not None
    before = attachment.status
    mode = effective_mode(volume, attachment.spec, connector)
    wanted = Wanted(volume_handle=volume.handle, initiator=facts.initiator, access_mode=mode)
    # After a crash between export and status write the connection is unknown: exporting again tells it.
    known = before.connection_info if is_true(before.conditions, EXPORTED) else None
    connection = facts.done.connection or known
    if not wanted.met_by(facts.export) or connection is None:
        if facts.unready is not None:
            return phrases.failing(facts, AttachmentPhase.EXPORTING, phrases.unready(facts))
        return steps.Export()
    secret = before.secret_ref is not None if facts.done.secret is None else facts.done.secret
    if attachment.spec.write_secret and not secret:
        return steps.WriteSecret()
    if secret and not attachment.spec.write_secret:
        return steps.DropSecret()
    host = connector.get("host")
    # For people to read; the connector, with all of it, is in the spec.
    host = host[:255] if isinstance(host, str) else None
    moved = facts.done.connection is not None and (
        before.attached_at is None or (before.initiator, before.host) != (facts.initiator, host) or known is None
    )
    completed = attachment.spec.completed
    phase = AttachmentPhase.COMPLETED if completed else AttachmentPhase.EXPORTED
    return (
        phrases.write(
            facts,
            phrases.conditions(
                facts,
                phrases.condition(facts, ADMITTED, True, Reason.ADMITTED, f"holds Volume {volume.metadata.name!r}"),
                phrases.condition(facts, EXPORTED, True, Reason.EXPORTED, f"exported to {facts.initiator}"),
                phrases.completion(facts),
            ),
            phase,
            Reason.COMPLETED if completed else Reason.EXPORTED,
            volume_uid=volume.metadata.uid,
            backend_name=facts.backend,
            handle=attachment.handle,
            key_id=before.key_id or facts.key_id,
            node_name=attachment.spec.node_name,
            node_uid=facts.node_uid if attachment.spec.node_name is not None else None,
            access_mode=mode,
            initiator=facts.initiator,
            host=host,
            connection_info=connection,
            secret_ref=SecretReference(name=connection_secret(attachment.handle)) if secret else None,
            reserved_at=before.reserved_at or _admitted_at(facts, volume),
            attached_at=facts.now if moved else before.attached_at,
            completed_at=_completed_at(facts),
        )
        or steps.Wait()
    )


def _reserved(facts: AttachmentFacts, volume: Volume) -> steps.AttachmentStep:
    attachment, before = facts.attachment, facts.attachment.status
    since = before.reserved_at or _admitted_at(facts, volume)
    ttl = attachment.spec.reservation_ttl_seconds
    end = since + timedelta(seconds=ttl) if ttl is not None and before.attached_at is None else None
    if end is not None and facts.now >= end:
        return steps.Expire(Reason.RESERVATION_EXPIRED, f"reserved for more than {ttl} s and never exported")
    completed = attachment.spec.completed
    phase = AttachmentPhase.COMPLETED if completed else AttachmentPhase.RESERVED
    return phrases.write(
        facts,
        phrases.conditions(
            facts,
            phrases.condition(facts, ADMITTED, True, Reason.ADMITTED, f"holds Volume {volume.metadata.name!r}"),
            phrases.condition(facts, EXPORTED, False, Reason.RESERVED, "reserved; waits for a connector"),
            phrases.completion(facts),
        ),
        phase,
        Reason.COMPLETED if completed else Reason.RESERVED,
        reserved_at=since,
        completed_at=_completed_at(facts),
        **_unexported(facts, volume),
    ) or steps.Wait(until=end)


def _refused_connector(facts: AttachmentFacts, volume: Volume) -> steps.AttachmentStep:
    if facts.node_unknown:
        node = facts.attachment.spec.node_name
        reason, message = Reason.NODE_CONNECTOR_NOT_FOUND, f"there is no NodeConnector {node!r}"
    else:
        reason, message = Reason.INCOMPLETE_CONNECTOR, facts.connector_flaw or ""
    return (
        phrases.write(
            facts,
            phrases.conditions(
                facts,
                phrases.condition(facts, ADMITTED, True, Reason.ADMITTED, f"holds Volume {volume.metadata.name!r}"),
                phrases.condition(facts, EXPORTED, False, reason, message),
                phrases.completion(facts),
            ),
            AttachmentPhase.RESERVED,
            reason,
            event=reason,
            reserved_at=facts.attachment.status.reserved_at or _admitted_at(facts, volume),
            **_unexported(facts, volume),
        )
        or steps.Wait()
    )


def _unexported(facts: AttachmentFacts, volume: Volume) -> dict[str, Any]:
    """What the status of an admitted Attachment says while nothing is exported."""
    return {
        "volume_uid": volume.metadata.uid,
        "backend_name": facts.backend,
        "handle": facts.attachment.handle,
        "access_mode": effective_mode(volume, facts.attachment.spec, None),
        "initiator": None,
        "host": None,
        "connection_info": None,
        "sessions": (),
        "key_id": None,
        "secret_ref": None,
        "node_name": None,
        "node_uid": None,
    }


def _admitted_at(facts: AttachmentFacts, volume: Volume) -> datetime:
    holder = ledger.holder_of(volume, facts.attachment.metadata.uid)
    return holder.since if holder is not None else facts.now


def _completed_at(facts: AttachmentFacts) -> datetime | None:
    return (facts.attachment.status.completed_at or facts.now) if facts.attachment.spec.completed else None


def _reject(facts: AttachmentFacts, reason: Reason, message: str) -> steps.AttachmentStep:
    if facts.export is not None and not facts.done.unexported:
        return steps.Unexport(facts.attachment.handle, message)
    if phrases.may_be_unseen(facts):
        return phrases.failing(facts, facts.attachment.status.phase, phrases.unready(facts))
    conditions = phrases.conditions(
        facts,
        phrases.condition(facts, ADMITTED, False, reason, message),
        phrases.condition(facts, EXPORTED, False, Reason.NOT_ADMITTED, "refused; see condition Admitted"),
    )
    pinned = facts.attachment.status.volume_uid or (facts.volume.metadata.uid if facts.volume else None)
    step = phrases.write(
        facts, conditions, AttachmentPhase.REJECTED, reason, event=reason, rejected_at=facts.now, volume_uid=pinned
    )
    assert step is not None
    return step
