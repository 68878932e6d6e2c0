"""What a right export looks like in tgtd, and how to tell one from a half-built or altered one. No I/O.

An export is one target `<prefix>:<handle>` with the volume's file on LUN 1, one CHAP account named by the handle and
one initiator name. tgtd does not give a password back, so the driver leaves a fingerprint of it as serial number of
LUN 0, the controller, which holds no data. So an operator that was restarted knows that the account is right without
touching it: unbinding anything would refuse a node that reconnects just then, and initiators do not retry a refusal.
The fingerprint can be read by the management socket's owner and by the admitted node, who knows the password anyway.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from pathlib import Path

from fairlead_operator.drivers.base import AccessMode, Credentials, Export, Session
from fairlead_operator.drivers.iscsi_names import is_handle, is_initiator_name
from fairlead_operator.drivers.tgt_listing import Target, shown_megabytes
from fairlead_operator.drivers.volume_files import VolumeFiles

CONTROLLER = 0
LUN = 1

_FINGERPRINT = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True)
class WantedTarget:
    """Everything that a target must be, no more and no less."""

    name: str
    path: Path
    size: int
    scsi_id: str
    access_mode: AccessMode
    account: str
    fingerprint: str
    initiator: str

    def differs(self, target: Target) -> str | None:
        """What is wrong with a target of that name; None when nothing is."""
        lun = target.luns.get(LUN)
        controller = target.luns.get(CONTROLLER)
        if not target.ready:
            return "it is being removed"
        if lun is None or len(target.luns) != 2:
            return f"it has LUNs {sorted(target.luns)} instead of one volume"
        if lun.path != str(self.path) or not lun.online or lun.scsi_id != self.scsi_id:
            return f"its LUN is {lun.path}"
        if lun.read_only is not (self.access_mode is AccessMode.READ_ONLY):
            return f"it is {'read-only' if lun.read_only else 'read-write'}"
        if lun.megabytes != shown_megabytes(self.size) and not target.nexuses:
            return "it shows an earlier size of the volume"
        if tuple(target.accounts) != (self.account,):
            return f"it has {len(target.accounts)} accounts instead of one of that name"
        if controller is None or not hmac.compare_digest(controller.scsi_sn, self.fingerprint):
            return "its account has another password"
        if tuple(target.acl) != (self.initiator,):
            return f"it admits {', '.join(target.acl) or 'nobody'}"
        return None


def fingerprint(credentials: Credentials) -> str:
    """32 hexadecimal digits that tell one password from another and do not give it away."""
    message = f"fairlead export {credentials.username}"
    return hmac.new(credentials.password.encode(), message.encode(), hashlib.sha256).hexdigest()[:32]


def scsi_identity(volume_handle: str) -> str:
    """The unit's identity, 32 hexadecimal digits as its VPD pages carry it.

    The same for every export of a volume and after every restart, so that multipath and /dev/disk/by-id of a node keep
    recognising it; tgtd's own would follow the target's number.
    """
    return hashlib.sha256(volume_handle.encode()).hexdigest()[:32]


def handle_of(name: str, prefix: str) -> str | None:
    """The attachment's handle, when this is a name that this driver would have made."""
    head, separator, handle = name.rpartition(":")
    return handle if separator and head == prefix and is_handle(handle) else None


def as_export(target: Target, handle: str, files: VolumeFiles) -> Export:
    """The target in the driver contract's terms."""
    lun = target.luns.get(LUN)
    controller = target.luns.get(CONTROLLER)
    volume = None if lun is None or lun.path is None else files.handle(lun.path)
    initiators = [entry for entry in target.acl if is_initiator_name(entry)]
    initiator = initiators[0] if len(target.acl) == 1 and initiators else None
    mode = None if lun is None else AccessMode.READ_ONLY if lun.read_only else AccessMode.READ_WRITE
    return Export(
        handle=handle,
        volume_handle=volume,
        initiator=initiator,
        access_mode=mode,
        complete=target.ready
        and lun is not None
        and lun.online
        and len(target.luns) == 2
        and volume is not None
        and lun.scsi_id == scsi_identity(volume)
        and tuple(target.accounts) == (handle,)
        and controller is not None
        and _FINGERPRINT.fullmatch(controller.scsi_sn) is not None
        and initiator is not None,
        sessions=tuple(Session(initiator=nexus.initiator, address=nexus.address) for nexus in target.nexuses),
    )
