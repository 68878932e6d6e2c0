"""Lists of volumes: their columns, whose are shown, and the link to the next page."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from fairlead_api.attachments.listing import scope
from fairlead_api.attachments.view import timestamp
from fairlead_api.cache.lookup import Lookup
from fairlead_api.cache.mirror import Mirror, labelled_id
from fairlead_api.cache.ordering import created_at
from fairlead_api.identity.caller import Caller
from fairlead_api.identity.projects import Projects
from fairlead_api.lists.page import Column, Table
from fairlead_api.lists.query import ListQuery, parse, permitted, truth
from fairlead_api.protocol.microversion import Microversion
from fairlead_api.volumes import types
from fairlead_api.volumes.status import derive
from fairlead_api.volumes.view import AVAILABILITY_ZONE, shown_metadata, updated_at
from fairlead_crds import names
from fairlead_crds.kinds import Volume
from fairlead_crds.quantity import to_gib

FILTERS: Final = (
    "name", "status", "metadata", "bootable", "migration_status", "availability_zone", "group_id", "size",
)  # fmt: skip
"""What anybody may filter by."""

MOMENTS: Final = ("created_at", "updated_at")
"""And these from 3.60 on."""

WITH_COUNT: Final = Microversion(3, 45)
BY_TIME: Final = Microversion(3, 60)


@dataclass(frozen=True, slots=True)
class VolumePage:
    """A page of volumes.

    Attributes:
        volumes: the volumes on it.
        next_query: the query of the next page, when this one is full.
        count: how many volumes there are in all, when that was asked for.
    """

    volumes: list[Volume]
    next_query: str | None = None
    count: int | None = None


def _columns(mirror: Mirror, projects: Projects) -> Mapping[str, Column[Volume]]:
    """A volume's columns in the real service, whose names filters and sort keys are."""

    def status(volume: Volume) -> str:
        return derive(volume, mirror.attachments_of(volume)).status

    def attach_status(volume: Volume) -> str:
        return derive(volume, mirror.attachments_of(volume)).attach_status

    def updated(volume: Volume) -> str | None:
        return timestamp(updated_at(volume, derive(volume, mirror.attachments_of(volume))))

    def volume_type_id(volume: Volume) -> str | None:
        name = types.type_name(volume)
        return None if name is None else types.type_id(name)

    return {
        "id": lambda v: v.id,
        "created_at": lambda v: timestamp(created_at(v)),
        "updated_at": updated,
        "name": lambda v: v.spec.display_name,
        "display_name": lambda v: v.spec.display_name,
        "display_description": lambda v: v.spec.display_description,
        "size": lambda v: to_gib(v.spec.size_bytes),
        "status": status,
        "attach_status": attach_status,
        "availability_zone": lambda v: AVAILABILITY_ZONE,
        "bootable": lambda v: str(v.spec.bootable).lower(),
        "multiattach": lambda v: str(v.spec.multi_attach).lower(),
        "volume_type_id": volume_type_id,
        "host": lambda v: v.status.backend_name or v.spec.backend_name,
        "user_id": lambda v: v.metadata.annotations.get(names.ANNOTATION_USER),
        "project_id": lambda v: projects.project_of(v.metadata.namespace),
        "migration_status": lambda v: None,
        "group_id": lambda v: None,
        "snapshot_id": lambda v: None,
        "source_volid": lambda v: None,
    }


def _has_metadata(volume: Volume, text: str) -> bool:
    """Whether a volume has all the pairs of a filter, which clients send as the text of a Python dictionary."""
    try:
        pairs = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    if not isinstance(pairs, dict):
        return False
    have = shown_metadata(volume)
    return all(have.get(str(key)) == str(value) for key, value in pairs.items())


def _bootable(volume: Volume, text: str) -> bool:
    return volume.spec.bootable == truth(text)


class VolumeLists:
    """Selects and cuts lists of volumes."""

    def __init__(self, mirror: Mirror, projects: Projects, lookup: Lookup) -> None:
        self._projects = projects
        self._lookup = lookup
        self._table = Table(
            ordering=mirror.volumes_in_order,
            columns=_columns(mirror, projects),
            matches={"metadata": _has_metadata, "bootable": _bootable},
            visible=lambda volume: labelled_id(volume) is not None,
            moments=MOMENTS,
            indexed={"name": mirror.volumes.index(lambda volume: volume.spec.display_name).get},
        )

    async def page(self, caller: Caller, pairs: tuple[tuple[str, str], ...], version: Microversion) -> VolumePage:
        """Return the page that a query asks for.

        Raises:
            BadRequest: the query is malformed, or filters by what this caller may not.
            NotFound: its marker is unknown.
        """
        everybody, project, rest = scope(caller, pairs)
        counted = version >= WITH_COUNT and any(key == "with_count" and truth(value) for key, value in rest)
        query = parse([(key, value) for key, value in rest if key != "with_count"])
        allowed = (*FILTERS, *MOMENTS) if version >= BY_TIME else FILTERS
        filters = permitted(query, allowed, admin=caller.admin, version=version)
        marker = None if query.marker is None else await self._lookup.volume(caller, query.marker)
        namespace = None
        if not everybody or project is not None:
            namespace = await self._projects.find(project or caller.project)
            if namespace is None:
                return VolumePage([], count=0 if counted else None)
        volumes = await self._table.page(query, filters, namespace, marker)
        count = len(await self._table.rows(filters, namespace)) if counted else None
        return VolumePage(volumes, _next(pairs, query, volumes), count)

    async def all(self, caller: Caller, pairs: tuple[tuple[str, str], ...]) -> list[Volume]:
        """Return every volume of the project, or of all with `all_tenants`."""
        everybody, project, _ = scope(caller, pairs)
        namespace = None
        if not everybody or project is not None:
            namespace = await self._projects.find(project or caller.project)
            if namespace is None:
                return []
        return await self._table.rows((), namespace)


def _next(pairs: tuple[tuple[str, str], ...], query: ListQuery, volumes: list[Volume]) -> str | None:
    """The query of the next page. A full page may be the last one; then the next is empty and ends the walk."""
    if not volumes or len(volumes) < query.limit:
        return None
    kept = [(key, value) for key, value in pairs if key not in ("marker", "offset")]
    return urlencode([*kept, ("marker", volumes[-1].id)])
