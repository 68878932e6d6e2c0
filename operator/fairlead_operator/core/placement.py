"""Which Backend is in charge of an object."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Attachment, Backend, Volume
from fairlead_crds.names import ANNOTATION_HANDLE, LABEL_BACKEND
from fairlead_operator.core.facts import Failure


@dataclass(frozen=True)
class Unplaced:
    """No Backend is in charge, and why."""

    reason: Reason
    message: str


def place_volume(volume: Volume, backends: Mapping[str, Backend]) -> str | Unplaced:
    """Return the name of the Backend in charge of a Volume, once stamped for good."""
    stamped = _stamped(volume)
    # Where it was served is where its data are, though somebody tore the label off.
    name = stamped or volume.status.backend_name or volume.spec.backend_name
    if name is not None:
        if name in backends:
            return name
        return Unplaced(Reason.UNKNOWN_BACKEND, f"Backend {name!r} does not exist; there are: {_list(backends)}")
    return default_backend(backends.values())


def default_backend(backends: Iterable[Backend]) -> str | Unplaced:
    """Return the name of the default Backend."""
    everyone = [b for b in backends if not b.deleting]
    defaults = sorted(b.metadata.name for b in everyone if b.spec.default)
    if len(defaults) == 1:
        return defaults[0]
    if defaults:
        return Unplaced(Reason.AMBIGUOUS_DEFAULT, f"more than one Backend is the default: {', '.join(defaults)}")
    return Unplaced(
        Reason.NO_DEFAULT_BACKEND,
        "backendName is not set and no Backend has `default: true`; set one of them",
    )


def place_attachment(attachment: Attachment, volume: Volume | None, backends: Mapping[str, Backend]) -> str | Unplaced:
    """Return the name of the Backend in charge of an Attachment: the one that was, else its volume's.

    One that was ours and lost its label, its status and its volume has the only Backend there is: somebody must prove
    that its export is gone. Among several nobody can tell.
    """
    stamped = _stamped(attachment) or attachment.status.backend_name
    if stamped is not None:
        if stamped in backends:
            return stamped
        return Unplaced(Reason.UNKNOWN_BACKEND, f"Backend {stamped!r}, which exported it, does not exist any more")
    if volume is None:
        if _is_ours(attachment):
            return _only_one(backends)
        return Unplaced(
            Reason.VOLUME_NOT_FOUND,
            f"there is no Volume {attachment.spec.volume_name!r} in namespace {attachment.metadata.namespace!r}",
        )
    return place_volume(volume, backends)


def _only_one(backends: Mapping[str, Backend]) -> str | Unplaced:
    if len(backends) == 1:
        return next(iter(backends))
    message = f"label, status and Volume, which told its Backend, are gone; set label {LABEL_BACKEND} to one of: "
    return Unplaced(Reason.UNKNOWN_BACKEND, message + _list(backends))


def refusal(volume: Volume, name: str, backend: Backend | None, owner: Volume | None) -> Failure | None:
    """Return why a Volume may not live on a Backend; None: it may.

    Args:
        volume: not adopted yet.
        name: of the Backend.
        backend: itself; None: it was torn out of the API server.
        owner: another Volume that has the data which this one asks to take over.
    """
    if backend is not None and backend.deleting:
        message = f"Backend {name!r} is being deleted and takes no new volumes"
        return Failure(reason=Reason.BACKEND_NOT_READY, message=message)
    allowed = backend.spec.allowed_namespaces if backend is not None else None
    namespace = volume.metadata.namespace
    if allowed is not None and namespace not in allowed:
        message = f"Backend {name!r} does not allow namespace {namespace!r}"
        return Failure(reason=Reason.NAMESPACE_NOT_ALLOWED, message=message)
    if owner is not None:
        meta = owner.metadata
        message = f"handle {owner.handle!r} belongs to Volume {meta.namespace}/{meta.name}"
        return Failure(reason=Reason.SOURCE_NOT_FOUND, message=message)
    return None


def handle_for(item: Volume | Attachment) -> str:
    """Return the handle that an object is adopted with: that of its source, of its annotation, or its uid."""
    source = item.spec.source if isinstance(item, Volume) else None
    return source.handle if source is not None else item.handle


def _stamped(item: Volume | Attachment) -> str | None:
    """Return the Backend that was put in charge of an object when it was adopted.

    Only the operator and the facade may write our finalizer and the handle, so either shows that the label is theirs.
    The handle counts alone as well: whoever tears the finalizer off must not move the object to another Backend, or
    leave its export without one.
    """
    return item.metadata.labels.get(LABEL_BACKEND) if _is_ours(item) else None


def _is_ours(item: Volume | Attachment) -> bool:
    """Whether an object was adopted once."""
    return item.guarded or ANNOTATION_HANDLE in item.metadata.annotations


def _list(backends: Mapping[str, Backend]) -> str:
    return ", ".join(sorted(backends)) or "none"
