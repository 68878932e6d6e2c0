"""What must hold: at each write, after each step, and when everything is at rest."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable

from fairlead_crds.conditions import ADMITTED, EXPORTED, READY, Reason, find, is_true
from fairlead_crds.kinds import Attachment, AttachmentPhase, DeletionPolicy, Holder, SessionsFound, Volume
from fairlead_crds.names import ANNOTATION_LOOK
from fairlead_operator.core import ledger
from fairlead_operator.core.exports import effective_mode
from unit.model.api_server import ApiServer, Write
from unit.model.array import Array, Exported

RESTORE = "restore"
"""Who writes when a backup is brought back."""


class Promises:
    """Watches what is written and what is reachable. Faults are collected in `broken`, because a write that breaks a
    promise happens deep inside of the code under test, which would take an exception for the server's answer."""

    def __init__(self, array: Array, counts: Counter[str]) -> None:
        self._array = array
        self._counts = counts
        self.server: ApiServer
        self.broken: list[str] = []
        self.trace: deque[str] = deque(maxlen=60)
        """The latest of what happened, for the report of a failure."""
        self.attachments: dict[str, Attachment] = {}
        self.volumes: dict[str, Volume] = {}
        self.forced: set[str] = set()
        """uids of objects whose finalizer somebody tore off: for these the promises are void until repaired."""
        self._had: dict[str, set[str]] = defaultdict(set)
        """By the uid of an Attachment, those of the Volumes whose ledgers have named it."""
        self.unlisted: set[str] = set()
        """uids of Attachments that were in a ledger when it was lost, until they are in one again."""
        self._asked: set[str] = set()
        """uids of Attachments that carry a request to look who is logged in."""
        self._idle: set[str] = set()
        """uids of those to whose export nobody was logged in at some moment since."""

        self._without_node: set[tuple[str, str]] = set()
        """uids of Attachments, and nodes that they have named while those were gone, replaced or out of service."""

    # --- at each write -----------------------------------------------------------------------------------------------

    def on_write(self, write: Write) -> None:
        """Look at a change of an object."""
        item = write.after or write.before
        self.trace.append(f"   {write.who}: {_phrase(write)}")
        operator = write.who.startswith("operator")
        if isinstance(item, Volume):
            self.volumes[item.metadata.uid] = item
            self._on_volume(write, operator=operator)
        elif isinstance(item, Attachment):
            self.attachments[item.metadata.uid] = item
            self._on_attachment(write, operator=operator)
        self._look_whose_node_is_gone()

    def _on_volume(self, write: Write, *, operator: bool) -> None:
        before, after = write.before, write.after
        old = {h.uid: h for h in before.status.attachments} if before is not None else {}
        new = {h.uid: h for h in after.status.attachments} if after is not None else {}
        name = (after or before).metadata.name
        if after is None:
            if operator:
                self._require(not old, f"Volume {name} was let go while {ledger.describe(old.values())} held it")
                live = self._array.reaching(before.handle)
                void = any(a.handle in live and self._is_void(a) for a in self.attachments.values())
                self._require(not live or void, f"Volume {name} was let go while it was exported")
            return
        if old.keys() == new.keys():
            return
        if write.who == RESTORE:
            self.unlisted |= old.keys()
            return
        self.unlisted -= new.keys()
        self._require(operator and write.by_version, f"the ledger of {name} was not changed by compare-and-swap")
        added, removed = new.keys() - old.keys(), old.keys() - new.keys()
        self._require(len(added) + len(removed) == 1, f"the ledger of {name} lost {removed} and gained {added} at once")
        for uid in removed:
            self._counts["released"] += 1
            self._require(
                old[uid].handle not in self._array.exports, f"{old[uid].name} was released while its export was live"
            )
        for uid in added:
            self._counts["admitted"] += 1
            self._had[uid].add(after.metadata.uid)
            pinned = self.attachments[uid].status.volume_uid
            self._require(pinned in (None, after.metadata.uid), f"{name} was given to one that waits for a namesake")
            self._require(not after.deleting, f"Volume {name} was given away while it was being deleted")
            self._require(
                _compatible(after, new.values()), f"Volume {name} was given to {ledger.describe(new.values())}"
            )
            if len(new) > 1:
                self._counts["shared by multi-attach" if after.spec.multi_attach else "shared for a migration"] += 1

    def _on_attachment(self, write: Write, *, operator: bool) -> None:
        before, after = write.before, write.after
        if before is None:
            return
        name, uid = before.metadata.name, before.metadata.uid
        live = self._array.exports.get(before.handle)
        if operator and before.guarded and (after is None or not after.guarded):
            self._counts["finalized"] += 1
            self._require(before.deleting, f"{name} lost its finalizer without being deleted")
            self._require(live is None, f"{name} lost its finalizer while its export was live")
            self._require(not self._holders(uid), f"{name} lost its finalizer while a ledger named it")
        if after is None:
            return
        self._on_look(before, after, operator=operator)
        if operator and after.deleting and not before.deleting:
            self._on_end(after)
        if after.status.rejected_at is not None and before.status.rejected_at is None:
            self._counts[f"rejected {after.status.history[-1].reason}"] += 1
            # While the array does not answer, the last status is all there is to go by, and a Volume that was torn away
            # is no evidence; once it answers, the export is taken away.
            void = self._array.down and self._is_void(after)
            self._require(live is None or void, f"{name} was refused while its export was live")
        if is_true(after.status.conditions, EXPORTED) and not is_true(before.status.conditions, EXPORTED):
            self._counts["exported"] += 1
            # What was in a ledger that was lost, and is going, is not put in again; it must be told as it is.
            held = self._holders(uid) or self.forced & self._had[uid] or (after.deleting and uid in self.unlisted)
            self._require(bool(held), f"{name} was told that it is exported, and no ledger names it")
            # What was lost with the status is not told anew to a node that only has to log out.
            told = after.status.connection_info is not None or after.deleting
            self._require(told, f"{name} was told no connection")

    def _on_look(self, before: Attachment, after: Attachment, *, operator: bool) -> None:
        """Somebody asks who is logged in, or is told."""
        name, uid = after.metadata.name, after.metadata.uid
        asked = after.metadata.annotations.get(ANNOTATION_LOOK)
        if asked is not None and asked != before.metadata.annotations.get(ANNOTATION_LOOK):
            self._asked.add(uid)
            self._idle.discard(uid)
            self._look_who_is_idle()
        look = after.status.sessions_look
        if operator and look is not None and look != before.status.sessions_look:
            self._counts[f"told that sessions are {look.found}"] += 1
            self._require(look.request == asked, f"{name} was answered {look.request}, and asked {asked}")
            idle = look.found is not SessionsFound.NONE or uid in self._idle
            self._require(idle, f"{name} was told that nobody is logged in, and somebody was all the time")

    def _on_end(self, attachment: Attachment) -> None:
        """The operator itself asks for the end of an Attachment."""
        status, spec = attachment.status, attachment.spec
        if status.rejected_at is not None:
            self._counts["refused one removed"] += 1
        elif (attachment.metadata.uid, spec.node_name) in self._without_node:
            self._counts["given up with its node"] += 1
        else:
            self._counts["expired"] += 1
            never = status.attached_at is None and spec.reservation_ttl_seconds is not None
            self._require(never, f"{attachment.metadata.name} expired though it was exported once, or never was to")

    def _look_whose_node_is_gone(self) -> None:
        for attachment in self.server.all("attachments"):
            spec, status = attachment.spec, attachment.status
            if spec.node_name is None:
                continue
            node = self.server.find("nodes", spec.node_name, "")
            known = status.node_uid if status.node_name == spec.node_name else None
            other = known is not None and (node is None or node.metadata.uid != known)
            if other or (node is not None and node.out_of_service):
                self._without_node.add((attachment.metadata.uid, spec.node_name))

    # --- after each step ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise what was found at a write, then look at what is reachable now."""
        self._look_who_is_idle()
        for handle, volume in self._volumes_by_handle().items():
            reaching = self._array.reaching(handle)
            if len(reaching) > 1:
                self._check_reachable(volume, reaching)
        for handle in self._array.exports:
            self._check_owned(handle)
        if self.broken:
            raise AssertionError("\n".join([*self.trace, *self.broken]))

    def _look_who_is_idle(self) -> None:
        for uid in self._asked:
            export = self._array.exports.get(self.attachments[uid].handle)
            if export is not None and not export.sessions:
                self._idle.add(uid)

    def _check_reachable(self, volume: Volume, reaching: dict[str, Exported]) -> None:
        nodes = {n for e in reaching.values() for n in (e.initiator, *e.sessions) if n is not None}
        owners = [a for a in self.attachments.values() if a.handle in reaching]
        instances = {a.spec.instance_id for a in owners}
        migration = len(instances) == 1 and None not in instances
        void = any(map(self._is_void, owners))
        allowed = volume.spec.multi_attach or migration or void
        self._require(len(nodes) < 2 or allowed, f"Volume {volume.metadata.name} is reachable by {sorted(nodes)}")

    def _check_owned(self, handle: str) -> None:
        owner = next((a for a in self.attachments.values() if a.handle == handle), None)
        if owner is None:
            self.broken.append(f"nobody ever asked for export {handle}")
            return
        uid = owner.metadata.uid
        if self._is_void(owner) or uid in self.unlisted:
            return
        self._require(self._current(owner) is not None, f"{owner.metadata.name} is gone and its export is live")
        self._require(bool(self._holders(uid)), f"{owner.metadata.name} is exported and no ledger names it")

    # --- at rest -----------------------------------------------------------------------------------------------------

    def check_at_rest(self) -> None:
        """Ledger, exports and specs agree; who waits says for whom; nothing else is left."""
        for volume in self.server.all("volumes"):
            self._check_volume(volume)
        for attachment in self.server.all("attachments"):
            self._check_attachment(attachment)
        for handle in self._array.exports:
            if not any(a.handle == handle for a in self.server.all("attachments")):
                self.broken.append(f"export {handle} belongs to nobody")
        for volume in self.volumes.values():
            uid = volume.metadata.uid
            if self.server.volume_with(uid) is None and uid not in self.forced:
                kept = volume.spec.deletion_policy is DeletionPolicy.RETAIN or volume.spec.source is not None
                gone = volume.handle not in self._array.volumes
                self._require(gone or kept, f"Volume {volume.metadata.name} is gone and its data are not")
        self.check()

    def _check_volume(self, volume: Volume) -> None:
        name = volume.metadata.name
        for holder in volume.status.attachments:
            owner = self.server.attachment_with(holder.uid)
            self._require(owner is not None, f"the ledger of {name} names {holder.name}, which is gone")
        if volume.deleting:
            self._require(bool(volume.status.attachments), f"Volume {name} is free and cannot be deleted")
        ready = find(volume.status.conditions, READY)
        self._require(ready is not None, f"Volume {name} does not say how it is")
        if ready is not None and ready.reason == Reason.PROVISIONED:
            size = self._array.volumes.get(volume.handle)
            self._require(size is not None and size >= volume.spec.size_bytes, f"Volume {name} is not what it says")

    def _check_attachment(self, attachment: Attachment) -> None:
        name, spec, status = attachment.metadata.name, attachment.spec, attachment.status
        export = self._array.exports.get(attachment.handle)
        self._require(not attachment.deleting, f"{name} cannot be deleted: {status.phase}, {_said(attachment)}")
        if status.rejected_at is not None:
            self._require(export is None, f"{name} is refused and exported")
            return
        volume = self.server.find("volumes", spec.volume_name)
        if volume is None or ledger.holder_of(volume, attachment.metadata.uid) is None:
            self._require(export is None, f"{name} holds nothing and is exported: {_said(attachment)}; {volume}")
            admitted = find(status.conditions, ADMITTED)
            self._require(
                admitted is not None and not is_true(status.conditions, ADMITTED), f"{name} says not why it waits"
            )
            ready = volume is not None and is_true(volume.status.conditions, READY) and not volume.deleting
            if ready and not ledger.in_the_way(volume, attachment):
                self.broken.append(f"{name} could have {volume.metadata.name} and does not get it: {_said(attachment)}")
            return
        initiator = self._initiator(attachment)
        if initiator is None:
            # Where only the NodeConnector went, the node keeps what it has.
            same = spec.node_name is not None and status.node_name == spec.node_name
            kept = same and self._connector(attachment) is None
            self._require(export is None or kept, f"{name} is reserved and exported")
            return
        if volume.handle not in self._array.volumes:
            return
        mode = effective_mode(volume, spec, self._connector(attachment))
        wanted = (volume.handle, initiator, mode, True)
        found = (export.volume, export.initiator, export.mode, export.intact) if export else None
        self._require(found == wanted, f"{name} is exported as {found}, not as {wanted}: {_said(attachment)}")
        self._require(
            is_true(status.conditions, EXPORTED), f"{name} does not say that it is exported: {_said(attachment)}"
        )
        if (asked := attachment.metadata.annotations.get(ANNOTATION_LOOK)) is not None:
            told = status.sessions_look.request if status.sessions_look is not None else None
            self._require(told == asked, f"{name} was asked who is logged in ({asked}) and answered {told}")
        self._require(status.observed_generation == attachment.metadata.generation, f"{name} speaks of an older spec")
        phase = AttachmentPhase.COMPLETED if spec.completed else AttachmentPhase.EXPORTED
        self._require(status.phase is phase, f"{name} is {status.phase}, not {phase}")

    # --- looking up --------------------------------------------------------------------------------------------------

    def _connector(self, attachment: Attachment) -> object:
        if attachment.spec.node_name is None:
            return attachment.spec.connector
        node = self.server.find("nodeconnectors", attachment.spec.node_name, "")
        return node.spec.connector if node is not None else None

    def _initiator(self, attachment: Attachment) -> str | None:
        connector = self._connector(attachment)
        return connector.get("initiator") if isinstance(connector, dict) else None

    def _holders(self, uid: str) -> list[Holder]:
        return [h for v in self.server.all("volumes") for h in v.status.attachments if h.uid == uid]

    def _current(self, attachment: Attachment) -> Attachment | None:
        return self.server.attachment_with(attachment.metadata.uid)

    def _volumes_by_handle(self) -> dict[str, Volume]:
        return {v.handle: v for v in self.volumes.values()}

    def _is_void(self, attachment: Attachment) -> bool:
        """Whether somebody tore a finalizer off it, or off a Volume that it has had."""
        uid = attachment.metadata.uid
        return uid in self.forced or bool(self.forced & self._had[uid])

    def _require(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.broken.append(otherwise)


def _compatible(volume: Volume, holders: Iterable[Holder]) -> bool:
    """The safety rule, said once more and independently of the code under test."""
    instances = [h.instance_id for h in holders]
    return volume.spec.multi_attach or len(instances) < 2 or (len(set(instances)) == 1 and instances[0] is not None)


def _said(attachment: Attachment) -> str:
    return "; ".join(f"{c.type}={c.status} {c.reason}: {c.message}" for c in attachment.status.conditions)


def _phrase(write: Write) -> str:
    before, after = write.before, write.after
    item = after or before
    what = f"{item.kind} {item.metadata.name} {item.metadata.uid}"
    if before is None or after is None:
        return f"{what} {'is new' if before is None else 'is gone'}"
    parts = []
    if before.metadata.finalizers != after.metadata.finalizers:
        parts.append(f"finalizers {after.metadata.finalizers}")
    if before.deleting != after.deleting:
        parts.append("deleting")
    if before.spec != after.spec:
        parts.append(f"spec {after.spec.wire()}")
    if isinstance(after, Volume) and before.status.attachments != after.status.attachments:
        parts.append(f"ledger {[h.name for h in after.status.attachments]}")
    if isinstance(after, Attachment) and before.status != after.status:
        parts.append(f"{after.status.phase} {_said(after)}")
    return f"{what}: {', '.join(parts)}"
