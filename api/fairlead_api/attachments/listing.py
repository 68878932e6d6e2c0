"""Lists of attachments: their columns, and whose are shown."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fairlead_api.attachments import state, view
from fairlead_api.cache.lookup import Lookup
from fairlead_api.cache.mirror import Mirror
from fairlead_api.cache.ordering import created_at
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.projects import Projects
from fairlead_api.lists.page import Column, Table
from fairlead_api.lists.query import parse, permitted, truth
from fairlead_api.protocol.microversion import Microversion
from fairlead_crds.kinds import Attachment

FILTERS: Final = ("volume_id", "status", "instance_id", "attach_status")
"""What anybody may filter by."""

_RENAMED: Final = {"status": "attach_status", "instance_id": "instance_uuid"}


def _columns(mirror: Mirror) -> Mapping[str, Column[Attachment]]:
    """An attachment's columns in the real service, whose names filters and sort keys are."""

    def volume_id(attachment: Attachment) -> str:
        return view.volume_id_of(attachment, mirror.volume_of(attachment))

    return {
        "id": lambda a: a.id,
        "created_at": lambda a: view.timestamp(created_at(a)),
        "updated_at": lambda a: view.timestamp(a.status.completed_at or a.status.attached_at or a.status.reserved_at),
        "volume_id": volume_id,
        "instance_uuid": state.instance,
        "attach_status": state.attach_status,
        "attach_mode": state.attach_mode,
        "attach_time": lambda a: view.timestamp(a.status.attached_at),
        "detach_time": lambda a: None,
        "attached_host": state.host,
        "mountpoint": state.device,
    }


class AttachmentLists:
    """Selects and cuts lists of attachments."""

    def __init__(self, mirror: Mirror, projects: Projects, lookup: Lookup) -> None:
        self._projects = projects
        self._lookup = lookup
        by_pinned_volume = mirror.attachments.index(lambda a: a.status.volume_uid or a.spec.volume_name)

        def of_volume(volume_id: str) -> Iterator[Attachment]:
            for volume in mirror.volumes_by_id.get(volume_id):
                yield from mirror.attachments_of(volume)
            # Those whose volume is not in the mirror, or has lost its label.
            yield from by_pinned_volume.get(volume_id)

        self._table = Table(
            ordering=mirror.attachments_in_order,
            columns=_columns(mirror),
            matches={},
            visible=state.is_admitted,
            indexed={"volume_id": of_volume, "instance_uuid": mirror.attachments.index(state.instance).get},
        )

    async def page(self, caller: Caller, pairs: tuple[tuple[str, str], ...], version: Microversion) -> list[Attachment]:
        """Return the page that a query asks for.

        Raises:
            BadRequest: the query is malformed, or filters by what this caller may not.
            NotFound: its marker is unknown.
        """
        everybody, project, rest = scope(caller, pairs)
        query = parse(rest)
        filters = [
            (_RENAMED.get(key, key), value)
            for key, value in permitted(query, FILTERS, admin=caller.admin, version=version)
        ]
        marker = None if query.marker is None else await self._lookup.attachment(caller, query.marker)
        namespace = None
        if not everybody or project is not None:
            namespace = await self._projects.find(project or caller.project)
            if namespace is None:
                return []
        return await self._table.page(query, filters, namespace, marker)


def scope(caller: Caller, pairs: tuple[tuple[str, str], ...]) -> tuple[bool, str | None, tuple[tuple[str, str], ...]]:
    """Tell whose resources a list is of: `(everybody's, the one project asked for, the rest of the query)`.

    `all_tenants` counts for administrators and by its value, `project_id` only together with it.
    """
    values: dict[str, Any] = {}
    rest = []
    for key, value in pairs:
        if key == "all_tenants" or (key == "project_id" and caller.admin):
            values[key] = value
        else:
            rest.append((key, value))
    everybody = caller.admin and "all_tenants" in values and truth(values["all_tenants"])
    return everybody, values.get("project_id") if everybody else None, tuple(rest)
