"""Mode `kubernetes`: bearer tokens of the cluster, and its RBAC.

So one policy governs kubectl and REST. Each request needs the right that the same act by kubectl needs, in the
project's namespace; what the admission policies ask for besides is asked for here too, because the API server sees the
facade's ServiceAccount there and not the caller.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from fairlead_api.cache.mirror import Mirror
from fairlead_api.identity.access import Access
from fairlead_api.identity.authenticator import Asked, Credentials, Unauthenticated
from fairlead_api.identity.caller import Caller, refused
from fairlead_api.identity.projects import Projects
from fairlead_api.identity.reviews import KubernetesOptions, Reviews, Right, Subject
from fairlead_api.protocol.faults import BadRequest
from fairlead_crds import names
from fairlead_crds.policies import FORCE_DETACH, RESTORE
from fairlead_kube.client import KubeClient

CONNECTION: Final = "connection"
"""The subresource of attachments whose `get` permits reading credentials."""

_ATTACHMENTS: Final = "attachments"


class KubernetesAuth:
    """Asks the API server."""

    challenge: Final = 'Bearer realm="fairlead"'

    def __init__(
        self, client: KubeClient, mirror: Mirror, projects: Projects, options: KubernetesOptions, default_project: str
    ) -> None:
        self._reviews = Reviews(client, options)
        self._mirror = mirror
        self._projects = projects
        self._default_project = default_project

    async def identify(self, credentials: Credentials) -> "KubernetesIdentity":
        """Review the token, from `X-Auth-Token` or `Authorization`.

        Raises:
            BadRequest: both are given and differ.
            Unauthenticated: it is nobody's.
            Unavailable: the API server cannot be asked.
        """
        if credentials.token and credentials.bearer and credentials.token != credentials.bearer:
            raise BadRequest("X-Auth-Token and Authorization carry different tokens.")
        token = credentials.token or credentials.bearer
        subject = None if token is None else await self._reviews.subject(token)
        if subject is None:
            raise Unauthenticated
        return KubernetesIdentity(subject, self._reviews, self._place, self._home_of(subject))

    async def close(self) -> None:
        """Nothing is held: the client is the facade's."""

    def _home_of(self, subject: Subject) -> str:
        """The project of a request that names none: a ServiceAccount's own namespace."""
        namespace = subject.service_account_namespace
        return self._default_project if namespace is None else self._projects.project_of(namespace)

    async def _place(self, project: str, resource: str, object_id: str | None) -> "_Place":
        # A project without a namespace is asked about under its own name. So whoever has no right learns nothing of
        # which there are.
        namespace = await self._projects.find(project) or project
        if object_id is None:
            return _Place(namespace, "")
        index = self._mirror.attachments_by_id if resource == _ATTACHMENTS else self._mirror.volumes_by_id
        found = [item for item in index.get(object_id.lower()) if item.metadata.namespace == namespace]
        return _Place(namespace, found[0].metadata.name if len(found) == 1 else "")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a request acts: the namespace, and the object's name when it is about one that is known there."""

    namespace: str
    name: str


_EVERYWHERE: Final = _Place("", "")
"""For rights in the whole cluster."""


@dataclass(frozen=True, slots=True)
class KubernetesIdentity:
    """A user of the cluster."""

    subject: Subject
    reviews: Reviews
    place: Callable[[str, str, str | None], Awaitable[_Place]]
    home: str

    async def caller(self, asked: Asked) -> Caller:
        """Ask for the right that the request needs, and for those that decide what it shows.

        Raises:
            Forbidden: RBAC does not grant it.
            Unavailable: the API server cannot be asked.
        """
        access = asked.access
        project = asked.project_segment or self.home
        place = await self.place(project, access.resource, asked.object_id)
        may, admin = await asyncio.gather(self._may(access.verb, access.resource, place), self._is_admin(access))
        if not (may or admin):
            raise refused(
                access.rule,
                f"{self.subject.user} needs the verb {access.verb} on {access.resource}.{names.GROUP} in namespace "
                f"{place.namespace}.",
            )
        # What an administrator acts on may be another project's, unless it is known to be in this place.
        where = place if place.name or not admin else _EVERYWHERE
        reads, detaches = await asyncio.gather(
            self._reads_credentials(access, where), self._force_detaches(access, where)
        )
        return Caller(
            self.subject.user,
            project,
            admin=admin,
            service=detaches,
            reads_credentials=reads,
            strict_guard=True,
        )

    async def _may(self, verb: str, resource: str, place: _Place, subresource: str = "") -> bool:
        if await self.reviews.allowed(self.subject, Right(verb, resource, place.namespace, subresource)):
            return True
        # A Role may grant it on named objects only. Asked second: the answer above serves for all of them.
        named = Right(verb, resource, place.namespace, subresource, place.name)
        return bool(place.name) and await self.reviews.allowed(self.subject, named)

    async def _is_admin(self, access: Access) -> bool:
        """Whether the caller is an administrator: may `restore` and do this in the whole cluster.

        `restore` is what kubectl users need to write what administrators write through REST, such as a status.
        """
        rights = (Right(RESTORE, access.resource, ""), Right(access.verb, access.resource, ""))
        return all(await asyncio.gather(*(self.reviews.allowed(self.subject, right) for right in rights)))

    async def _reads_credentials(self, access: Access, place: _Place) -> bool:
        return access.shows_connection and await self._may("get", _ATTACHMENTS, place, CONNECTION)

    async def _force_detaches(self, access: Access, place: _Place) -> bool:
        on = place if access.resource == _ATTACHMENTS else _Place(place.namespace, "")
        return access.detaches and await self._may(FORCE_DETACH, _ATTACHMENTS, on)
