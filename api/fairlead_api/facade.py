"""The facade's parts, put together once per process."""

from dataclasses import dataclass
from typing import Self

from fairlead_api.attachments.connection import Connections
from fairlead_api.attachments.listing import AttachmentLists
from fairlead_api.attachments.operations import AttachmentOperations
from fairlead_api.attachments.permission import DetachPermissions
from fairlead_api.cache.lookup import Lookup
from fairlead_api.cache.mirror import Mirror
from fairlead_api.cache.revision import Writer
from fairlead_api.identity import modes
from fairlead_api.identity.authenticator import Authenticator
from fairlead_api.identity.projects import Projects
from fairlead_api.settings import Settings
from fairlead_api.volumes.listing import VolumeLists
from fairlead_api.volumes.operations import VolumeOperations
from fairlead_api.volumes.types import VolumeTypes
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
