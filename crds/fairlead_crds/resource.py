"""What every object has: the part of its metadata that Fairlead reads, a spec and a status."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Generic, Self, TypeVar

from pydantic import ConfigDict, Field

from fairlead_crds import names
from fairlead_crds.compact import compact
from fairlead_crds.schema import Model

SpecT = TypeVar("SpecT", bound=Model)
StatusT = TypeVar("StatusT", bound=Model)


class Metadata(Model):
    """The part of ObjectMeta that Fairlead reads."""

    model_config = ConfigDict(frozen=True)

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Mapping[str, str] = Field(default_factory=dict)
    annotations: Mapping[str, str] = Field(default_factory=dict)
    finalizers: tuple[str, ...] = ()


class Resource(Model, Generic[SpecT, StatusT]):
    """An object as the API server holds it."""

    kind: ClassVar[str]
    plural: ClassVar[str]
    namespaced: ClassVar[bool] = True

    metadata: Metadata
    spec: SpecT
    status: StatusT

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """Read an object as the API server sends it, for keeping (see `compact`).

        Raises:
            pydantic.ValidationError: it is none of this kind.
        """
        return compact(cls.model_validate(body))

    @property
    def id(self) -> str:
        """The id that REST clients use: the label, else the uid."""
        return self.metadata.labels.get(names.LABEL_ID) or self.metadata.uid

    @property
    def handle(self) -> str:
        """What the backend calls it: the annotation, else the uid."""
        return self.metadata.annotations.get(names.ANNOTATION_HANDLE) or self.metadata.uid

    @property
    def deleting(self) -> bool:
        """Whether its deletion has been asked for."""
        return self.metadata.deletion_timestamp is not None

    @property
    def guarded(self) -> bool:
        """Whether our finalizer holds it."""
        return names.FINALIZER in self.metadata.finalizers
