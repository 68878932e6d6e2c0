"""The facade's parts, put together once per process."""

from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from fairlead_api.attachments.connection import Connections
from fairlead_api.attachments.listing import AttachmentLists
from fairlead_api.attachments.operations import AttachmentOperations
from fairlead_api.attachments.permission import DetachPermissions
from fairlead_api.cache.lookup import Lookup
from fairlead_api.cache.mirror import Mirror
from fairlead_api.cache.revision import Writer
from fairlead_api.identity import modes
from fairlead_api.identity.access import access_of
from fairlead_api.identity.authentication import identity_of
from fairlead_api.identity.authenticator import Asked, Authenticator
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.projects import Projects
from fairlead_api.protocol.faults import Unavailable
from fairlead_api.protocol.route import Call, CurrentCall
from fairlead_api.settings import Settings
from fairlead_api.volumes.listing import VolumeLists
from fairlead_api.volumes.operations import VolumeOperations
from fairlead_api.volumes.types import VolumeTypes
from fairlead_api.volumes.view import Viewer
from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import ATTACHMENTS, VOLUMES


@dataclass(frozen=True, kw_only=True)
class Facade:
    """What the routes work with."""

    settings: Settings
    authenticator: Authenticator
    mirror: Mirror
    projects: Projects
    lookup: Lookup
    connections: Connections
    types: VolumeTypes
    permissions: DetachPermissions
    volumes: VolumeOperations
    attachments: AttachmentOperations
    attachment_lists: AttachmentLists
    volume_lists: VolumeLists

    @classmethod
    def build(cls, client: KubeClient, settings: Settings) -> Self:
        """Wire the parts to each other."""
        mirror = Mirror(client)
        projects = Projects(client, mirror.namespaces, create=settings.create_namespaces)
        lookup = Lookup(client, mirror, projects)
        types = VolumeTypes(mirror.backends)
        volume_writer = Writer(client, VOLUMES, mirror.volumes)
        attachment_writer = Writer(client, ATTACHMENTS, mirror.attachments)
        permissions = DetachPermissions(writer=attachment_writer, timeout=settings.export_timeout)
        volumes = VolumeOperations(
            writer=volume_writer,
            attachments=attachment_writer,
            permissions=permissions,
            mirror=mirror,
            projects=projects,
            types=types,
        )
        attachments = AttachmentOperations(
            writer=attachment_writer,
            mirror=mirror,
            lookup=lookup,
            projects=projects,
            volumes=volumes,
            permissions=permissions,
            timeout=settings.export_timeout,
        )
        return cls(
            settings=settings,
            authenticator=modes.authenticator(client, mirror, projects, settings),
            mirror=mirror,
            projects=projects,
            lookup=lookup,
            connections=Connections(client, settings.system_namespace),
            types=types,
            permissions=permissions,
            volumes=volumes,
            attachments=attachments,
            attachment_lists=AttachmentLists(mirror, projects, lookup),
            volume_lists=VolumeLists(mirror, projects, lookup),
        )


async def _facade(request: Request) -> Facade:
    facade: Facade = request.app.state.facade
    if not facade.mirror.synced:
        raise Unavailable("The facade has not read the resources yet. Please try again at a later time.")
    return facade


CurrentFacade = Annotated[Facade, Depends(_facade)]


async def current_caller(request: Request, call: CurrentCall, facade: CurrentFacade) -> Caller:
    """Who sends this request, with what it may do here; every route below /v3 depends on it, so none is open."""
    parameters = request.path_params
    object_id = parameters.get("attachment_id") or parameters.get("volume_id")
    access = access_of(request.method, request.scope["route"].path, call.action_name)
    return await identity_of(request.scope).caller(Asked(call.project_segment, access, object_id))


CurrentCaller = Annotated[Caller, Depends(current_caller)]


def viewer(call: Call, caller: Caller) -> Viewer:
    """For whom this request's volumes are shown."""
    return Viewer(call.version, caller.admin, call.base_url, call.project_segment)
