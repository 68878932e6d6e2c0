"""What an Attachment's next step is decided on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Attachment, ConnectionStatus, Volume
from fairlead_crds.names import ANNOTATION_HANDLE, LABEL_BACKEND, LABEL_ID
from fairlead_operator.core.exports import ExportState


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why the last effect did not happen.

    Attributes:
        reason: one word from the closed list.
        message: for a person.
        tries: how many times in a row it was tried by now.
    """

    reason: Reason
    message: str
    tries: int = 1


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the backend showed when it was asked who is logged in.

    Attributes:
        request: that asked for it.
        generation: metadata.generation that stood then.
        at: when.
        export: as it was; None: there was none.
        unknown: why the backend did not tell; None: it did.
    """

    request: str
    generation: int
    at: datetime
    export: ExportState | None = None
    unknown: str | None = None


@dataclass(frozen=True, kw_only=True)
class Done:
    """What this pass has already achieved, so that a pass ends; a crash forgets it and the steps are repeated."""

    connection: ConnectionStatus | None = None
    unexported: bool = False
    secret: bool | None = None
    seen: Seen | None = None


@dataclass(frozen=True, kw_only=True)
class AttachmentFacts:
    """All that the decision rests on.

    Attributes:
        attachment: as last seen.
        volume: of the name it asks for; None only when a live read says that there is none.
        backend: the Backend in charge.
        peers: other Attachments of the same volume name.
        exported_peers: uids of those among them that the backend shows an export of.
        connector: the node's, from the spec or from the NodeConnector; None: reserved.
        node_unknown: nodeName is set and there is no such NodeConnector.
        initiator: the identity to admit, from the driver's reading of the connector.
        connector_flaw: what the driver misses in the connector.
        export: as the backend shows it.
        remade: when the export was made again for a node that had it before.
        sees_sessions: whether the backend shows every live session.
        key_id: the current key of the Backend.
        unready: why the Backend cannot be used at present.
        failure: of the effect just tried.
        node_uid: of the Node called nodeName, when there is one.
        node_gone: the evidence that the node is gone for good; None: it is not, or nobody can tell.
        patience: how long it may wait for its volume before people are told.
        done: by this pass.
        now: the time.
    """

    attachment: Attachment
    volume: Volume | None
    backend: str
    peers: Sequence[Attachment] = ()
    exported_peers: frozenset[str] = frozenset()
    connector: Mapping[str, Any] | None = None
    node_unknown: bool = False
    initiator: str | None = None
    connector_flaw: str | None = None
    export: ExportState | None = None
    remade: datetime | None = None
    sees_sessions: bool = False
    key_id: str | None = None
    unready: str | None = None
    failure: Failure | None = None
    node_uid: str | None = None
    node_gone: str | None = None
    patience: timedelta | None = None
    done: Done = Done()
    now: datetime


def is_adopted(item: Any) -> bool:
    """Whether our finalizer, id, handle and backend are on the object: nothing is admitted before."""
    meta = item.metadata
    return (
        item.guarded
        and LABEL_ID in meta.labels
        and LABEL_BACKEND in meta.labels
        and ANNOTATION_HANDLE in meta.annotations
    )
