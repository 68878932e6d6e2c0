"""What clients ask beside volumes and attachments: limits, zones, filters, and collections that are empty here."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel, ConfigDict

from fairlead_api.attachments.listing import FILTERS as ATTACHMENT_FILTERS
from fairlead_api.facade_route import FacadeRequest, FacadeRoute
from fairlead_api.openapi import faults, query
from fairlead_api.protocol.faults import NotFound
from fairlead_api.protocol.microversion import MINIMUM, Microversion
from fairlead_api.protocol.route import since
from fairlead_api.volumes.listing import FILTERS as VOLUME_FILTERS
from fairlead_api.volumes.view import AVAILABILITY_ZONE, total_gib

router: Final = APIRouter(prefix="/v3", route_class=FacadeRoute, tags=["beside"])

RESOURCE_FILTERS: Final = Microversion(3, 33)
_UNLIMITED: Final = -1


class Document(BaseModel):
    """An object whose keys are the API's own."""

    model_config = ConfigDict(extra="allow")


_OK: Final[dict[int | str, dict[str, Any]]] = {200: {"model": Document}, **faults(400, 404, 503)}


@router.get(
    "/resource_filters", response_model=None, summary="What lists can be filtered by", responses=_OK,
    openapi_extra=since(RESOURCE_FILTERS, parameters=query(("resource", "Only this resource's."))),
)  # fmt: skip
async def resource_filters(request: FacadeRequest) -> Response:
    """By callers who are no administrators."""
    known = {"volume": VOLUME_FILTERS, "attachment": ATTACHMENT_FILTERS}
    wanted = dict(request.call.query).get("resource")
    shown = [
        {"resource": name, "filters": list(filters)} for name, filters in known.items() if wanted in (None, "", name)
    ]
    return request.call.answer({"resource_filters": shown})


@router.get("/limits", response_model=None, summary="Quotas and usage", responses=_OK, openapi_extra=since(MINIMUM))
async def limits(request: FacadeRequest) -> Response:
    """No quotas here: Kubernetes' ResourceQuota on the project's namespace is the place for them."""
    count, size = await _usage(request)
    absolute = {
        "maxTotalVolumes": _UNLIMITED,
        "maxTotalVolumeGigabytes": _UNLIMITED,
        "maxTotalSnapshots": 0,
        "maxTotalBackups": 0,
        "maxTotalBackupGigabytes": 0,
        "totalVolumesUsed": count,
        "totalGigabytesUsed": size,
        "totalSnapshotsUsed": 0,
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }
    return request.call.answer({"limits": {"rate": [], "absolute": absolute}})


@router.get(
    "/os-availability-zone", response_model=None, summary="List zones", responses=_OK, openapi_extra=since(MINIMUM)
)
async def zones(request: FacadeRequest) -> Response:
    """There is one."""
    return request.call.answer(
        {"availabilityZoneInfo": [{"zoneName": AVAILABILITY_ZONE, "zoneState": {"available": True}}]}
    )


@router.get(
    "/os-quota-sets/{project_id}", response_model=None, summary="A project's quotas", responses=_OK,
    openapi_extra=since(MINIMUM, parameters=query(("usage", "Whether usage is told too."))),
)  # fmt: skip
async def quotas(project_id: Annotated[str, Path(description="The project.")], request: FacadeRequest) -> Response:
    """Unlimited; with usage when that is asked for."""
    found: dict[str, Any] = {
        "volumes": _UNLIMITED,
        "gigabytes": _UNLIMITED,
        "per_volume_gigabytes": _UNLIMITED,
        "snapshots": 0,
        "backups": 0,
        "backup_gigabytes": 0,
        "groups": 0,
    }
    if dict(request.call.query).get("usage", "").lower() in ("true", "1"):
        count, size = await _usage(request)
        used = {"volumes": count, "gigabytes": size}
        found = {key: {"limit": limit, "in_use": used.get(key, 0), "reserved": 0} for key, limit in found.items()}
    return request.call.answer({"quota_set": {"id": project_id, **found}})


async def _usage(request: FacadeRequest) -> tuple[int, int]:
    volumes = await request.facade.volume_lists.all(request.caller, ())
    return len(volumes), await total_gib(volumes)


def _empty(path: str, key: str, what: str, minimum: Microversion = MINIMUM) -> None:
    async def answer(request: FacadeRequest) -> Response:
        return request.call.answer({key: []})

    router.add_api_route(
        path, answer, response_model=None, summary=f"List {what}", responses=_OK, openapi_extra=since(minimum),
        description="There are none here.", name=f"list{path.replace('/', '_').replace('-', '_')}",
    )  # fmt: skip


def _missing(path: str, what: str, minimum: Microversion = MINIMUM) -> None:
    async def answer(item_id: Annotated[str, Path(description="Its id.")], request: FacadeRequest) -> Response:
        del request
        raise NotFound(f"{what} {item_id} could not be found.")

    router.add_api_route(
        path, answer, response_model=None, summary=f"Show a {what.lower()}", responses=faults(400, 404, 503),
        openapi_extra=since(minimum), description="There are none here.",
        name=f"show_{what.lower()}", status_code=404,
    )  # fmt: skip


for _path, _key in (
    ("/extensions", "extensions"),
    ("/snapshots", "snapshots"),
    ("/snapshots/detail", "snapshots"),
    ("/backups", "backups"),
    ("/backups/detail", "backups"),
    ("/os-services", "services"),
    ("/qos-specs", "qos_specs"),
    ("/os-volume-transfer", "transfers"),
    ("/os-volume-transfer/detail", "transfers"),
):
    _empty(_path, _key, _key.replace("_", " "))
_empty("/messages", "messages", "messages", Microversion(3, 3))
_empty("/groups", "groups", "groups", Microversion(3, 13))
_empty("/groups/detail", "groups", "groups", Microversion(3, 13))
_empty("/group_types", "group_types", "group types", Microversion(3, 11))
_empty("/group_snapshots", "group_snapshots", "group snapshots", Microversion(3, 14))
_empty("/group_snapshots/detail", "group_snapshots", "group snapshots", Microversion(3, 14))
_empty("/volume-transfers", "transfers", "transfers", Microversion(3, 55))
_empty("/volume-transfers/detail", "transfers", "transfers", Microversion(3, 55))
_missing("/snapshots/{item_id}", "Snapshot")
_missing("/backups/{item_id}", "Backup")
_missing("/messages/{item_id}", "Message", Microversion(3, 3))
_missing("/groups/{item_id}", "Group", Microversion(3, 13))
