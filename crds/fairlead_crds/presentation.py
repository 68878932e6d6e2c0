"""How kubectl shows each kind: short names, columns, and the fields that a field selector may name."""

from dataclasses import dataclass
from typing import Any, Final

from fairlead_crds.kinds import Attachment, Backend, NodeConnector, Resource, Volume

AnyKind = type[Resource[Any, Any]]


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`.

    Attributes:
        name: its heading.
        path: the JSONPath of its value, from the object.
        description: what `kubectl explain`-like clients show.
        type: string, integer, boolean or date; a date is shown as an age.
        wide: only with `-o wide`.
    """

    name: str
    path: str
    description: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True)
class Presentation:
    """What kubectl needs to know of a kind beyond its schema."""

    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    selectable: tuple[str, ...] = ()


def _condition(type_: str, key: str) -> str:
    return f'.status.conditions[?(@.type=="{type_}")].{key}'


_AGE: Final = Column("Age", ".metadata.creationTimestamp", "Since its creation.", type="date")

# Nothing shorter than these is safe: `vol`, `att` and the plural `volumes` itself are taken by other projects' kinds.
PRESENTATIONS: Final[dict[AnyKind, Presentation]] = {
    Backend: Presentation(
        short_names=("flbe",),
        columns=(
            Column("Driver", ".spec.driver", "The driver that speaks to it."),
            Column("Default", ".spec.default", "Whether Volumes that name no backend are made here.", type="boolean"),
            Column("Ready", _condition("Ready", "status"), "Whether it can be used."),
            Column("Reason", _condition("Ready", "reason"), "Why."),
            Column("Protocol", ".status.protocol", "What nodes speak to it.", wide=True),
            Column("Total", ".status.capacity.total", "Size, in bytes.", type="integer", wide=True),
            Column("Free", ".status.capacity.free", "What is left, in bytes.", type="integer", wide=True),
            Column("Holder", ".status.holder", "The operator that serves it.", wide=True),
            _AGE,
        ),
        selectable=(".spec.driver",),
    ),
    Volume: Presentation(
        short_names=("flvol",),
        columns=(
            Column("Size", ".spec.size", "The capacity asked for."),
            Column("Phase", ".status.phase", "Where it stands."),
            Column("Backend", ".status.backendName", "Backend it lives on."),
            Column("Holder", ".status.attachments[0].name", "The Attachment that holds it, the first of several."),
            Column("Ready", _condition("Ready", "status"), "Whether it can be attached.", wide=True),
            Column("Reason", _condition("Ready", "reason"), "Why.", wide=True),
            Column("Multi", ".spec.multiAttach", "Whether several nodes may hold it.", type="boolean", wide=True),
            Column("Display Name", ".spec.displayName", "Its name in REST.", wide=True),
            _AGE,
        ),
        selectable=(".spec.backendName", ".spec.source.handle", ".status.phase", ".status.backendName"),
    ),
    Attachment: Presentation(
        short_names=("flatt",),
        columns=(
            Column("Volume", ".spec.volumeName", "Volume that it attaches."),
            Column("Phase", ".status.phase", "Where it stands."),
            Column("Mode", ".status.accessMode", "The mode in force."),
            Column("Host", ".status.host", "The node that it is exported to."),
            Column("Instance", ".spec.instanceID", "The instance it serves."),
            Column("Admitted", _condition("Admitted", "reason"), "Why it has the volume or not.", wide=True),
            Column("Exported", _condition("Exported", "reason"), "Why it is exported or not.", wide=True),
            Column("Target", ".status.connectionInfo.data.target_iqn", "Name of the export.", wide=True),
            Column("Initiator", ".status.initiator", "The one initiator admitted.", wide=True),
            _AGE,
        ),
        selectable=(
            ".spec.volumeName",
            ".spec.instanceID",
            ".spec.nodeName",
            ".status.phase",
            ".status.backendName",
            ".status.host",
        ),
    ),
    NodeConnector: Presentation(
        short_names=("flnc",),
        columns=(
            Column("Host", ".spec.connector.host", "The node, as it names itself."),
            Column("IP", ".spec.connector.ip", "Where it is."),
            Column("Initiator", ".spec.connector.initiator", "Its iSCSI initiator."),
            Column("NQN", ".spec.connector.nqn", "Its NVMe name.", wide=True),
            Column("Seen", ".status.lastSeen", "Since its agent last spoke.", type="date"),
            _AGE,
        ),
    ),
}
