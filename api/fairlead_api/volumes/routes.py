"""The volumes API: create, show, list, change, delete."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from fairlead_api.cache.revision import Operation, drop, put
from fairlead_api.facade_route import FacadeRequest, FacadeRoute
from fairlead_api.lists.query import truth
from fairlead_api.openapi import faults, json_body, listed
from fairlead_api.protocol.faults import BadRequest
from fairlead_api.protocol.microversion import MINIMUM, Microversion
from fairlead_api.protocol.route import since
from fairlead_api.protocol.validation import validate
from fairlead_api.volumes import schemas, view
from fairlead_api.volumes.listing import FILTERS, VolumePage
from fairlead_crds.kinds import Volume

router: Final = APIRouter(prefix="/v3", route_class=FacadeRoute, tags=["volumes"])

VolumeId = Annotated[str, Path(description="The volume's id.")]
STRICT_SCHEMAS: Final = Microversion(3, 53)
FORCE_DELETE: Final = Microversion(3, 23)
_LISTED: Final = listed(FILTERS)


@router.post(
    "/volumes",
    status_code=202,
    response_model=None,
    summary="Create a volume",
    responses={202: {"model": schemas.VolumeAnswer}, **faults(400, 403, 404, 409, 413, 415, 503)},
    openapi_extra=since(MINIMUM, requestBody=json_body(schemas.StrictCreateVolume, schemas.CreateVolume)),
)
async def create(request: FacadeRequest) -> Response:
    """Answers at once; the volume's status tells when it can be attached."""
    model = schemas.StrictCreateVolume if request.call.version >= STRICT_SCHEMAS else schemas.CreateVolume
    asked: Any = validate(model, request.call.body)
    volume = await request.facade.volumes.create(request.caller, asked.volume)
    shown = view.detail(volume, request.facade.volumes.state(volume), request.viewer, None)
    return request.call.answer({"volume": shown}, 202)


@router.get(
    "/volumes",
    response_model=None,
    summary="List volumes in brief",
    responses={200: {"model": schemas.VolumeList}, **faults(400, 404, 409, 503)},
    openapi_extra=since(MINIMUM, parameters=_LISTED),
)
async def list_summary(request: FacadeRequest) -> Response:
    """Newest first."""
    page = await request.facade.volume_lists.page(request.caller, request.call.query, request.call.version)
    shown_to = request.viewer
    items = [view.summary(volume, shown_to) for volume in page.volumes]
    return request.call.answer(_list(items, page, _collection(shown_to)))


@router.get(
    "/volumes/detail",
    response_model=None,
    summary="List volumes in full",
    responses={200: {"model": schemas.VolumeDetailList}, **faults(400, 404, 409, 503)},
    openapi_extra=since(MINIMUM, parameters=_LISTED),
)
async def list_detail(request: FacadeRequest) -> Response:
    """Newest first."""
    page = await request.facade.volume_lists.page(request.caller, request.call.query, request.call.version)
    shown_to = request.viewer
    items = [
        view.detail(
            volume,
            request.facade.volumes.state(volume),
            shown_to,
            request.facade.projects.project_of(volume.metadata.namespace),
        )
        for volume in page.volumes
    ]
    return request.call.answer(_list(items, page, f"{_collection(shown_to)}/detail"))


@router.get(
    "/volumes/summary",
    response_model=None,
    summary="Count volumes and their sizes",
    responses={200: {"model": schemas.SummaryAnswer}, **faults(400, 404, 409, 503)},
    openapi_extra=since(Microversion(3, 12)),
)
async def summarise(request: FacadeRequest) -> Response:
    """From 3.36 on with the values of their metadata."""
    volumes = await request.facade.volume_lists.all(request.caller, request.call.query)
    return request.call.answer({"volume-summary": await view.totals(volumes, request.call.version)})


@router.get(
    "/volumes/{volume_id}",
    response_model=None,
    summary="Show a volume",
    responses={200: {"model": schemas.VolumeAnswer}, **faults(400, 404, 409, 503)},
    openapi_extra=since(MINIMUM),
)
async def show(volume_id: VolumeId, request: FacadeRequest) -> Response:
    """Which keys there are depends on the microversion and on who asks."""
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    tenant = request.facade.projects.project_of(volume.metadata.namespace)
    shown = view.detail(volume, request.facade.volumes.state(volume), request.viewer, tenant)
    return request.call.answer({"volume": shown})


@router.put(
    "/volumes/{volume_id}",
    response_model=None,
    summary="Change a volume's name, description or metadata",
    responses={200: {"model": schemas.VolumeAnswer}, **faults(400, 403, 404, 409, 413, 415, 503)},
    openapi_extra=since(MINIMUM, requestBody=json_body(schemas.UpdateVolume)),
)
async def update(volume_id: VolumeId, request: FacadeRequest) -> Response:
    """Metadata given here replace all there are."""
    asked = validate(schemas.UpdateVolume, request.call.body).volume
    if not asked.model_fields_set and request.call.version >= STRICT_SCHEMAS:
        raise BadRequest("Invalid input for field/attribute volume. Value: {}. {} does not have enough properties")
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    volume = await request.facade.volumes.change(
        request.caller, volume, "volume:update", lambda current: _changes(current, asked)
    )
    shown = view.detail(volume, request.facade.volumes.state(volume), request.viewer, None)
    return request.call.answer({"volume": shown})


@router.delete(
    "/volumes/{volume_id}",
    status_code=202,
    response_class=Response,
    response_model=None,
    summary="Delete a volume",
    responses=faults(400, 403, 404, 409, 503),
    openapi_extra=since(MINIMUM),
)
async def delete(volume_id: VolumeId, request: FacadeRequest) -> Response:
    """Answers at once; the volume shows `deleting` until the backend has removed it."""
    options = dict(request.call.query)
    force = request.call.version >= FORCE_DELETE and "force" in options and truth(options["force"])
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    await request.facade.volumes.delete(request.caller, volume, force=force)
    return request.call.empty(202)


def _changes(current: Volume, asked: schemas.VolumeChange) -> list[Operation]:
    operations: list[Operation] = []
    given = asked.model_fields_set
    for fields, path, before in (
        (("name", "display_name"), "/spec/displayName", current.spec.display_name),
        (("description", "display_description"), "/spec/displayDescription", current.spec.display_description),
    ):
        field = next((name for name in fields if name in given), None)
        if field is None:
            continue
        value: str | None = getattr(asked, field)
        if value is not None and value != before:
            operations.append(put(path, value))
        elif value is None and before is not None:
            operations.append(drop(path))
    if asked.metadata is not None and asked.metadata != current.spec.metadata:
        operations.append(put("/spec/metadata", asked.metadata))
    return operations


def _collection(shown_to: view.Viewer) -> str:
    below = f"{shown_to.project_segment}/" if shown_to.project_segment else ""
    return f"{shown_to.base_url}/v3/{below}volumes"


def _list(items: list[dict[str, Any]], page: VolumePage, url: str) -> dict[str, Any]:
    body: dict[str, Any] = {"volumes": items}
    if page.next_query is not None:
        body["volumes_links"] = [{"rel": "next", "href": f"{url}?{page.next_query}"}]
    if page.count is not None:
        body["count"] = page.count
    return body
