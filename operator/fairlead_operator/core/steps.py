"""Everything a reconcile can do next. Each step is idempotent and may be repeated after a crash."""

from dataclasses import dataclass
from datetime import datetime

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import AttachmentStatus, Holder, VolumeStatus


@dataclass(frozen=True)
class Adopt:
    """W0: take the object under our finalizer and stamp its id, handle and backend, in one patch."""


@dataclass(frozen=True)
class Admit:
    """W2: write the volume's status with the new holder in its ledger, by compare-and-swap."""

    status: VolumeStatus


@dataclass(frozen=True)
class WriteSecret:
    """W3: write the CHAP credentials into a Secret beside the Attachment."""


@dataclass(frozen=True)
class DropSecret:
    """Delete the Secret that is no longer asked for."""


@dataclass(frozen=True)
class Export:
    """Make the export, or repair it, and read it back."""


@dataclass(frozen=True)
class Unexport:
    """Cut the node off and prove that the export is gone.

    Attributes:
        handle: whose export; the Attachment's own, or a vanished holder's.
        why: for the log and the Event.
    """

    handle: str
    why: str


@dataclass(frozen=True)
class Look:
    """Ask the backend who is logged in.

    Attributes:
        request: that asks for it.
    """

    request: str


@dataclass(frozen=True)
class WriteAttachmentStatus:
    """W4: write the Attachment's status, by compare-and-swap.

    Attributes:
        status: all of it.
        retry: the cause is expected to pass by itself; come back with growing pauses.
        event: reason of the Event that tells people, for abnormal transitions.
    """

    status: AttachmentStatus
    retry: bool = False
    event: Reason | None = None


@dataclass(frozen=True)
class Release:
    """Write the volume's status without that holder, by compare-and-swap; only after its export is proven gone."""

    holder: Holder
    status: VolumeStatus


@dataclass(frozen=True)
class Finalize:
    """Take our finalizer off; the last step of a deletion."""


@dataclass(frozen=True)
class Expire:
    """Delete an Attachment that has ended by itself: refused long ago, a reservation past its time, a node gone.

    Attributes:
        reason: one word from the closed list.
        message: for a person; the evidence.
    """

    reason: Reason
    message: str


@dataclass(frozen=True)
class CreateVolume:
    """Make the volume on the backend."""


@dataclass(frozen=True)
class FindVolume:
    """Look for the volume on the backend: one to adopt, or one that may be lost."""


@dataclass(frozen=True)
class ExtendVolume:
    """Grow the volume on the backend."""


@dataclass(frozen=True)
class DeleteVolume:
    """Delete the volume's data."""


@dataclass(frozen=True)
class WriteVolumeStatus:
    """Write the Volume's status, by compare-and-swap. Attributes as of `WriteAttachmentStatus`."""

    status: VolumeStatus
    retry: bool = False
    event: Reason | None = None


@dataclass(frozen=True)
class Wait:
    """Nothing to do until something changes.

    Attributes:
        until: or until this time, whichever comes first.
        retry: or after a pause that grows, because the cause is expected to pass by itself.
    """

    until: datetime | None = None
    retry: bool = False


AttachmentStep = (
    Adopt
    | Admit
    | WriteSecret
    | DropSecret
    | Export
    | Unexport
    | Look
    | WriteAttachmentStatus
    | Release
    | Finalize
    | Expire
    | Wait
)
VolumeStep = (
    Adopt
    | CreateVolume
    | FindVolume
    | ExtendVolume
    | DeleteVolume
    | Unexport
    | Release
    | WriteVolumeStatus
    | Finalize
    | Wait
)
