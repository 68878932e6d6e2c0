"""Volume types: one per Backend, named after it, and `<name>-multiattach` where its driver can."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from fairlead_api.protocol.faults import BadRequest, NotFound
from fairlead_crds import names
from fairlead_crds.kinds import Backend, Volume
from fairlead_kube.store import Store

MULTIATTACH_SUFFIX: Final = "-multiattach"
_TYPE_IDS: Final = uuid.UUID("6d2bb4a5-6a70-4d52-9d0c-1c1f9e8a3c55")
"""Name space of the types' ids: a type has no object of its own to take an id from."""


@dataclass(frozen=True, slots=True)
class VolumeType:
    """A volume type."""

    name: str
    backend: str
    multi_attach: bool
    default: bool
    allowed_namespaces: tuple[str, ...] | None

    @property
    def id(self) -> str:
        """The type's id, the same for ever and on every replica."""
        return type_id(self.name)

    def serves(self, namespace: str) -> bool:
        """Whether volumes of a namespace may be of this type."""
        return self.allowed_namespaces is None or namespace in self.allowed_namespaces


@lru_cache(maxsize=1024)
def type_id(name: str) -> str:
    """Return the id of the type of that name."""
    return str(uuid.uuid5(_TYPE_IDS, name))


def type_name(volume: Volume) -> str | None:
    """The type of a volume: what it is made of, which a deleted Backend does not change."""
    backend = volume.spec.backend_name or volume.status.backend_name or volume.metadata.labels.get(names.LABEL_BACKEND)
    if backend is None:
        return None
    return backend + MULTIATTACH_SUFFIX if volume.spec.multi_attach else backend


class VolumeTypes:
    """The volume types there are."""

    def __init__(self, backends: Store[Backend]) -> None:
        self._backends = backends

    def all(self) -> list[VolumeType]:
        """Return every type, by name."""
        found = []
        for backend in sorted(self._backends, key=lambda item: item.metadata.name):
            if backend.deleting:
                continue
            name, spec = backend.metadata.name, backend.spec
            found.append(VolumeType(name, name, False, spec.default, spec.allowed_namespaces))
            if backend.status.multi_attach:
                found.append(VolumeType(name + MULTIATTACH_SUFFIX, name, True, False, spec.allowed_namespaces))
        return found

    def find(self, name_or_id: str) -> VolumeType:
        """Return a type by name or id.

        Raises:
            NotFound: there is none.
        """
        for volume_type in self.all():
            if name_or_id in (volume_type.name, volume_type.id):
                return volume_type
        raise NotFound(f"Volume type {name_or_id} could not be found.")

    def default(self) -> VolumeType | None:
        """Return the type of a volume that names none: the default Backend's, else that of the only Backend."""
        plain = [volume_type for volume_type in self.all() if not volume_type.multi_attach]
        defaults = [volume_type for volume_type in plain if volume_type.default]
        if len(defaults) == 1:
            return defaults[0]
        return plain[0] if len(plain) == 1 else None

    def choose(self, name_or_id: str | None, namespace: str) -> VolumeType:
        """Return the type for a new volume.

        Raises:
            NotFound: there is no such type.
            BadRequest: none was named and there is no default, or it does not serve the project.
        """
        chosen = self.find(name_or_id) if name_or_id else self.default()
        if chosen is None:
            known = ", ".join(volume_type.name for volume_type in self.all())
            raise BadRequest(
                f"Invalid input received: no volume type was given and there is no default. Types: {known}."
                if known
                else "Invalid input received: there is no Backend to make volumes on. Create a Backend first."
            )
        if not chosen.serves(namespace):
            raise BadRequest(
                f"Invalid input received: volume type {chosen.name} does not serve this project (namespace "
                f"{namespace} is not among the allowedNamespaces of Backend {chosen.backend})."
            )
        return chosen


def view(volume_type: VolumeType) -> Mapping[str, Any]:
    """The type in answers."""
    return {
        "id": volume_type.id,
        "name": volume_type.name,
        "is_public": volume_type.allowed_namespaces is None,
        "description": f"Volumes on Backend {volume_type.backend}",
        "extra_specs": {"multiattach": "<is> True"} if volume_type.multi_attach else {},
        "qos_specs_id": None,
        "os-volume-type-access:is_public": volume_type.allowed_namespaces is None,
    }
