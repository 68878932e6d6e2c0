"""Projects are namespaces.

The label `fairlead.dev/project-id` says which project a namespace is; without it the namespace's own name does. Two
namespaces with one label are refused, naming both, because no answer would be right. Namespaces that the facade is not
to serve are no projects.
"""

import contextlib
import logging
import re
from collections.abc import Hashable
from typing import Any, ClassVar, Final

from pydantic import Field

from fairlead_api.protocol.faults import BadRequest, Conflict
from fairlead_crds import names
from fairlead_crds.kinds import Resource
from fairlead_crds.schema import Model
from fairlead_kube import errors as kube
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import Endpoint
from fairlead_kube.store import Store

_LABEL_VALUE = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

_log = logging.getLogger(__name__)


class NamespaceStatus(Model):
    """Whether the namespace is in use or on its way out."""

    phase: str = "Active"


class Namespace(Resource[Model, NamespaceStatus]):
    """A namespace, as far as the facade reads it."""

    kind: ClassVar[str] = "Namespace"
    plural: ClassVar[str] = "namespaces"
    namespaced: ClassVar[bool] = False
    spec: Model = Field(default_factory=Model)
    status: NamespaceStatus = Field(default_factory=NamespaceStatus)


NAMESPACES: Final = Endpoint(prefix="/api/v1", plural="namespaces", parse=Namespace.read, namespaced=False)


def labelled_project(namespace: Resource[Any, Any]) -> Hashable | None:
    """The project that a namespace's label names."""
    return namespace.metadata.labels.get(names.LABEL_PROJECT)


class Projects:
    """Finds the namespace of a project and the project of a namespace."""

    def __init__(self, client: KubeClient, store: Store[Namespace], *, create: bool) -> None:
        self._client = client
        self._store = store
        self._labelled = store.index(labelled_project)
        self._create = create

    def project_of(self, namespace: str) -> str:
        """Return the project id of a namespace."""
        found = self._store.get(namespace)
        return (found and found.metadata.labels.get(names.LABEL_PROJECT)) or namespace

    def namespace_of(self, project: str) -> str | None:
        """Return the project's namespace as far as the cache knows.

        Raises:
            Conflict: several namespaces carry the project's label.
        """
        labelled = sorted(item.metadata.name for item in self._labelled.get(project) if self._serves(item))
        if len(labelled) > 1:
            raise Conflict(
                f"Project {project} is ambiguous: namespaces {' and '.join(labelled)} both carry the label "
                f"{names.LABEL_PROJECT}={project}. Remove it from all but one."
            )
        if labelled:
            return labelled[0]
        own = self._store.get(project)
        if own is None or names.LABEL_PROJECT in own.metadata.labels or not self._serves(own):
            return None
        return project

    def _serves(self, namespace: Namespace) -> bool:
        return not self._client.namespaces or namespace.metadata.name in self._client.namespaces

    async def find(self, project: str) -> str | None:
        """Return the project's namespace, asking the API server when the cache has none; None: there is none."""
        return self.namespace_of(project) or await self._look(project)

    async def require(self, project: str) -> str:
        """Return the project's namespace, creating it when that is allowed and it is missing.

        Raises:
            BadRequest: it is missing and is not to be, or cannot be, created.
            Conflict: several namespaces claim the project, or its name is another project's.
        """
        found = await self.find(project)
        if found is not None:
            return found
        if not self._create:
            raise BadRequest(
                f"Project {project} has no namespace. Create one labelled {names.LABEL_PROJECT}={project}."
            )
        if _DNS_LABEL.fullmatch(project) is None:
            raise BadRequest(
                f"Project {project} has no namespace and its id cannot be a namespace's name. Create a namespace "
                f"labelled {names.LABEL_PROJECT}={project}."
            )
        body = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": project, "labels": {names.LABEL_PROJECT: project}},
        }
        try:
            self._store.apply(await self._client.create(NAMESPACES, body))
            _log.info("created namespace %s for the project of that name", project)
        except kube.AlreadyExists:
            # Another replica was quicker, or the namespace belongs to another project.
            self._store.apply(await self._client.get(NAMESPACES, project))
        created = self.namespace_of(project)
        if created is None:
            raise Conflict(f"Namespace {project} exists and is labelled as another project's.")
        return created

    async def _look(self, project: str) -> str | None:
        if _LABEL_VALUE.fullmatch(project) is not None:
            listing = await self._client.list(NAMESPACES, label_selector=f"{names.LABEL_PROJECT}={project}")
            for item in listing.items:
                self._store.apply(item)
        if _DNS_LABEL.fullmatch(project) is not None:
            with contextlib.suppress(kube.NotFound):
                self._store.apply(await self._client.get(NAMESPACES, project))
        return self.namespace_of(project)
