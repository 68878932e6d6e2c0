"""What an Attachment needs next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fairlead_crds.conditions import ADMITTED, COMPLETED, EXPORTED, Condition, Reason, is_true
from fairlead_crds.kinds import (
    Attachment,
    AttachmentPhase,
    AttachmentStatus,
    ConflictPolicy,
    ConnectionStatus,
    DetachPolicy,
    SecretReference,
    Volume,
)
from fairlead_crds.names import ANNOTATION_HANDLE, LABEL_BACKEND, LABEL_ID, connection_secret
from fairlead_operator.core import ledger, status, steps
from fairlead_operator.core.exports import ExportState, Wanted, effective_mode

REJECTED_FOR = timedelta(minutes=10)
"""How long a refused Attachment stays to be read before it is removed."""


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why the last effect did not happen."""

    reason: Reason
    message: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """What this pass has already achieved, so that a pass ends; a crash forgets it and the steps are repeated."""

    connection: ConnectionStatus | None = None
    unexported: bool = False
    secret: bool | None = None


@dataclass(frozen=True, kw_only=True)
class AttachmentFacts:
    """All that the decision rests on.

    Attributes:
        attachment: as last seen.
        volume: of the name it asks for; None only when a live read says that there is none.
        backend: the Backend in charge.
        peers: other Attachments of the same volume name.
        connector: the node's, from the spec or from the NodeConnector; None: reserved.
        node_unknown: nodeName is set and there is no such NodeConnector.
        initiator: the identity to admit, from the driver's reading of the connector.
        connector_flaw: what the driver misses in the connector.
        export: as the backend shows it.
        key_id: the current key of the Backend.
        unready: why the Backend cannot be used at present.
        failure: of the effect just tried.
        done: by this pass.
        now: the time.
    """

    attachment: Attachment
    volume: Volume | None
    backend: str
    peers: Sequence[Attachment] = ()
    connector: Mapping[str, Any] | None = None
    node_unknown: bool = False
    initiator: str | None = None
    connector_flaw: str | None = None
    export: ExportState | None = None
    key_id: str | None = None
    unready: str | None = None
    failure: Failure | None = None
    done: Done = Done()
    now: datetime


def decide(facts: AttachmentFacts) -> steps.AttachmentStep:
    """Return the next step for an Attachment."""
    if facts.attachment.deleting:
        return _detach(facts)
    if facts.attachment.status.rejected_at is not None:
        return _rejected(facts)
    if not is_adopted(facts.attachment):
        return steps.Adopt()
    return _attach(facts)


def is_adopted(item: Any) -> bool:
    """Whether our finalizer, id, handle and backend are on the object: nothing is admitted before."""
    meta = item.metadata
    return (
        item.guarded
        and LABEL_ID in meta.labels
        and LABEL_BACKEND in meta.labels
        and ANNOTATION_HANDLE in meta.annotations
    )


# --- detach ----------------------------------------------------------------------------------------------------------


def _detach(facts: AttachmentFacts) -> steps.AttachmentStep:
    """Unexport, prove, ledger out, finalizer out; in no other order.

    An Attachment that is not in the ledger is unexported all the same: after a crash that proves nothing.
    """
    attachment = facts.attachment
    if not attachment.guarded:
        return steps.Wait()
    if facts.failure is not None:
        return _failing(facts, AttachmentPhase.DETACHING)
    if not facts.done.unexported:
        if facts.unready is not None:
            return _failing(facts, AttachmentPhase.DETACHING, _unready(facts))
        polite = attachment.spec.detach_policy is DetachPolicy.WAIT_FOR_LOGOUT
        if polite and facts.export is not None and facts.export.sessions:
            waiting = "waiting for the node to log out, as detachPolicy WaitForLogout asks"
            conditions = _conditions(facts, _condition(facts, EXPORTED, True, Reason.DETACHING, waiting))
            step = _write(facts, conditions, AttachmentPhase.DETACHING, Reason.DETACHING)
            return step or steps.Wait(until=facts.now + timedelta(seconds=1))
        return steps.Unexport(attachment.handle, "the Attachment is being deleted")
    if facts.volume is not None and (holder := ledger.holder_of(facts.volume, attachment.metadata.uid)):
        return steps.Release(holder, ledger.without_holder(facts.volume, holder.uid))
    return steps.Finalize()


def _unready(facts: AttachmentFacts) -> Failure:
    return Failure(reason=Reason.BACKEND_NOT_READY, message=facts.unready or "")


def _failing(facts: AttachmentFacts, phase: AttachmentPhase, failure: Failure | None = None) -> steps.AttachmentStep:
    """Say what went wrong, once, and come back."""
    failure = failure or facts.failure
    assert failure is not None
    still = is_true(facts.attachment.status.conditions, EXPORTED)
    # While it is being taken away, access may be gone or not: the node must not count on either.
    holds = None if phase is AttachmentPhase.DETACHING and still else False
    exported = _condition(facts, EXPORTED, holds, failure.reason, failure.message)
    return _write(
        facts, _conditions(facts, exported), phase, failure.reason, retry=True, event=failure.reason
    ) or steps.Wait(retry=True)


# --- the end of a refused one ----------------------------------------------------------------------------------------


def _rejected(facts: AttachmentFacts) -> steps.AttachmentStep:
    since = facts.attachment.status.rejected_at
    assert since is not None
    if facts.export is not None and not facts.done.unexported:
        return steps.Unexport(facts.attachment.handle, "the Attachment was refused")
    end = since + REJECTED_FOR
    if facts.now >= end:
        return steps.Expire(Reason.VOLUME_IN_USE)
    return steps.Wait(until=end)


def _reject(facts: AttachmentFacts, reason: Reason, message: str) -> steps.AttachmentStep:
    if facts.export is not None and not facts.done.unexported:
        return steps.Unexport(facts.attachment.handle, message)
    conditions = _conditions(
        facts,
        _condition(facts, ADMITTED, False, reason, message),
        _condition(facts, EXPORTED, False, Reason.NOT_ADMITTED, "refused; see condition Admitted"),
    )
    pinned = facts.attachment.status.volume_uid or (facts.volume.metadata.uid if facts.volume else None)
    step = _write(
        facts, conditions, AttachmentPhase.REJECTED, reason, event=reason, rejected_at=facts.now, volume_uid=pinned
    )
    assert step is not None
    return step


# --- attach ----------------------------------------------------------------------------------------------------------


def _attach(facts: AttachmentFacts) -> steps.AttachmentStep:
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
    holders = ledger.in_the_way(volume, attachment)
    if holders:
        message = f"Volume {volume.metadata.name!r} is held by {ledger.describe(holders)}"
        if attachment.spec.conflict_policy is ConflictPolicy.REJECT:
            return _reject(facts, Reason.VOLUME_IN_USE, message)
        return _wait_for_volume(facts, Reason.VOLUME_IN_USE, message)
    if not is_true(volume.status.conditions, "Ready"):
        ready = next((c for c in volume.status.conditions if c.type == "Ready"), None)
        why = f": {ready.message}" if ready is not None and ready.message else ""
        return _wait_for_volume(
            facts, Reason.VOLUME_NOT_READY, f"Volume {volume.metadata.name!r} is not ready yet{why}"
        )
    if ledger.ahead_in_line(volume, attachment, facts.peers) is not None:
        # It will be admitted in a moment, which wakes us; then there is a holder to name.
        return steps.Wait(retry=True)
    mode = effective_mode(volume, attachment.spec, facts.connector)
    return steps.Admit(ledger.with_holder(volume, attachment, mode, facts.now))


def _wait_for_volume(facts: AttachmentFacts, reason: Reason, message: str) -> steps.AttachmentStep:
    if facts.export is not None and not facts.done.unexported:
        return steps.Unexport(facts.attachment.handle, f"not admitted: {message}")
    conditions = _conditions(
        facts,
        _condition(facts, ADMITTED, False, reason, message),
        _condition(facts, EXPORTED, False, Reason.NOT_ADMITTED, "waits to be admitted"),
    )
    uid = facts.attachment.status.volume_uid or (facts.volume.metadata.uid if facts.volume is not None else None)
    return (
        _write(facts, conditions, AttachmentPhase.PENDING, reason, volume_uid=uid, connection_info=None) or steps.Wait()
    )


def _export(facts: AttachmentFacts, volume: Volume) -> steps.AttachmentStep:
    attachment = facts.attachment
    if facts.failure is not None:
        return _failing(facts, AttachmentPhase.EXPORTING)
    reserved = not facts.connector
    refused = facts.node_unknown or facts.connector_flaw is not None
    stale = facts.export is not None and (reserved or refused or facts.export.initiator not in (None, facts.initiator))
    if stale and not facts.done.unexported:
        if facts.unready is not None:
            return _failing(facts, AttachmentPhase.EXPORTED, _unready(facts))
        why = "the connector changed" if facts.connector else "the connector is gone"
        return steps.Unexport(attachment.handle, why)
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
            return _failing(facts, AttachmentPhase.EXPORTING, _unready(facts))
        return steps.Export()
    secret = before.secret_ref is not None if facts.done.secret is None else facts.done.secret
    if attachment.spec.write_secret and not secret:
        return steps.WriteSecret()
    if secret and not attachment.spec.write_secret:
        return steps.DropSecret()
    host = connector.get("host")
    host = host if isinstance(host, str) else None
    moved = facts.done.connection is not None and (
        before.attached_at is None or (before.initiator, before.host) != (facts.initiator, host) or known is None
    )
    completed = attachment.spec.completed
    phase = AttachmentPhase.COMPLETED if completed else AttachmentPhase.EXPORTED
    return (
        _write(
            facts,
            _conditions(
                facts,
                _condition(facts, ADMITTED, True, Reason.ADMITTED, f"holds Volume {volume.metadata.name!r}"),
                _condition(facts, EXPORTED, True, Reason.EXPORTED, f"exported to {facts.initiator}"),
                _completion(facts),
            ),
            phase,
            Reason.COMPLETED if completed else Reason.EXPORTED,
            volume_uid=volume.metadata.uid,
            backend_name=facts.backend,
            handle=attachment.handle,
            key_id=before.key_id or facts.key_id,
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
        return steps.Expire(Reason.RESERVATION_EXPIRED)
    completed = attachment.spec.completed
    phase = AttachmentPhase.COMPLETED if completed else AttachmentPhase.RESERVED
    return _write(
        facts,
        _conditions(
            facts,
            _condition(facts, ADMITTED, True, Reason.ADMITTED, f"holds Volume {volume.metadata.name!r}"),
            _condition(facts, EXPORTED, False, Reason.RESERVED, "reserved; waits for a connector"),
            _completion(facts),
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
        _write(
            facts,
            _conditions(
                facts,
                _condition(facts, ADMITTED, True, Reason.ADMITTED, f"holds Volume {volume.metadata.name!r}"),
                _condition(facts, EXPORTED, False, reason, message),
                _completion(facts),
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
        "key_id": None,
    }


def _admitted_at(facts: AttachmentFacts, volume: Volume) -> datetime:
    holder = ledger.holder_of(volume, facts.attachment.metadata.uid)
    return holder.since if holder is not None else facts.now


def _completed_at(facts: AttachmentFacts) -> datetime | None:
    return (facts.attachment.status.completed_at or facts.now) if facts.attachment.spec.completed else None


def _completion(facts: AttachmentFacts) -> Condition:
    if facts.attachment.spec.completed:
        return _condition(facts, COMPLETED, True, Reason.COMPLETED, "the node says that it has connected")
    return _condition(facts, COMPLETED, False, Reason.NOT_COMPLETED, "the node has not said that it has connected")


def _condition(facts: AttachmentFacts, type_: str, holds: bool | None, reason: Reason, message: str) -> Condition:
    meta = facts.attachment.metadata
    return status.condition(
        facts.attachment.status.conditions, type_, holds, reason, message, generation=meta.generation, now=facts.now
    )


def _conditions(facts: AttachmentFacts, *new: Condition) -> tuple[Condition, ...]:
    """The Attachment's conditions with the new ones in place, in a fixed order."""
    merged = {c.type: c for c in facts.attachment.status.conditions} | {c.type: c for c in new}
    order = [ADMITTED, EXPORTED, COMPLETED]
    return tuple(sorted(merged.values(), key=lambda c: (order.index(c.type) if c.type in order else 9, c.type)))


def _write(
    facts: AttachmentFacts,
    conditions: tuple[Condition, ...],
    phase: AttachmentPhase,
    reason: Reason,
    *,
    retry: bool = False,
    event: Reason | None = None,
    **changes: Any,
) -> steps.WriteAttachmentStatus | None:
    """Return the step that writes this status; None when it stands there already."""
    wanted: AttachmentStatus = status.enter(
        facts.attachment, phase, reason, facts.now, conditions=conditions, **changes
    )
    if wanted == facts.attachment.status:
        return None
    return steps.WriteAttachmentStatus(wanted, retry=retry, event=event)
