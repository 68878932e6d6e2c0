"""Volume types, to be read. They follow from the Backends; nobody writes them here."""

from typing import Annotated, Final

from fastapi import APIRouter, Path, Response

from fairlead_api.facade_route import FacadeRequest, FacadeRoute
from fairlead_api.openapi import faults, query
from fairlead_api.protocol.faults import NotFound
from fairlead_api.protocol.microversion import MINIMUM
from fairlead_api.protocol.route import since
from fairlead_api.volumes import schemas, types

router: Final = APIRouter(prefix="/v3", route_class=FacadeRoute, tags=["volume types"])

TypeId = Annotated[str, Path(description="The type's id, or `default`.")]


@router.get(
    "/types",
    response_model=None,
    summary="List volume types",
    responses={200: {"model": schemas.TypeList}, **faults(400, 503)},
    openapi_extra=since(MINIMUM, parameters=query(("is_public", "True, False or None (both)."))),
)
async def list_types(request: FacadeRequest) -> Response:
    """One per Backend, and another where it can attach a volume to several nodes."""
    wanted = dict(request.call.query).get("is_public", "None" if request.caller.admin else "True").strip().lower()
    shown = [types.view(volume_type) for volume_type in request.facade.types.all()]
    if wanted in ("true", "1", "yes", "false", "0", "no"):
        public = wanted in ("true", "1", "yes")
        shown = [item for item in shown if item["is_public"] is public]
    return request.call.answer({"volume_types": shown})


@router.get(
    "/types/{type_id}",
    response_model=None,
    summary="Show a volume type",
    responses={200: {"model": schemas.TypeAnswer}, **faults(400, 404, 503)},
    openapi_extra=since(MINIMUM),
)
async def show_type(type_id: TypeId, request: FacadeRequest) -> Response:
    """`default` is the default Backend's, else the only Backend's."""
    if type_id != "default":
        return request.call.answer({"volume_type": types.view(request.facade.types.find(type_id))})
    found = request.facade.types.default()
    if found is None:
        raise NotFound("Default volume type can not be found.")
    return request.call.answer({"volume_type": types.view(found)})


@router.get(
    "/types/{type_id}/extra_specs",
    response_model=None,
    summary="Show a volume type's extra specs",
    responses={200: {"model": schemas.ExtraSpecs}, **faults(400, 404, 503)},
    openapi_extra=since(MINIMUM),
)
async def show_extra_specs(type_id: TypeId, request: FacadeRequest) -> Response:
    """`multiattach` is the only one there is."""
    return request.call.answer({"extra_specs": types.view(request.facade.types.find(type_id))["extra_specs"]})
