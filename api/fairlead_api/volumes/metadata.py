"""The metadata of a volume: free pairs of its owner."""

import hashlib
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response
from pydantic_core import to_json

from fairlead_api.cache.revision import Operation, drop, pointer, put
from fairlead_api.facade_route import FacadeRequest, FacadeRoute
from fairlead_api.openapi import faults, json_body
from fairlead_api.protocol.faults import BadRequest, NotFound
from fairlead_api.protocol.microversion import MINIMUM, Microversion
from fairlead_api.protocol.route import since
from fairlead_api.protocol.validation import validate
from fairlead_api.volumes import schemas
from fairlead_api.volumes.routes import VolumeId
from fairlead_api.volumes.view import shown_metadata
from fairlead_crds.kinds import Volume

router: Final = APIRouter(prefix="/v3/volumes/{volume_id}", route_class=FacadeRoute, tags=["volume metadata"])

Key = Annotated[str, Path(description="A metadata key.")]
ETAG: Final = Microversion(3, 15)
_WRITES: Final = faults(400, 403, 404, 409, 413, 415, 503)


@router.get(
    "/metadata",
    response_model=None,
    summary="Show a volume's metadata",
    responses={200: {"model": schemas.MetadataAnswer}, **faults(400, 404, 409, 503)},
    openapi_extra=since(MINIMUM),
)
async def show(volume_id: VolumeId, request: FacadeRequest) -> Response:
    """From 3.15 on with an Etag."""
    shown = shown_metadata(await request.facade.lookup.volume(request.caller, volume_id))
    headers = {"Etag": _etag(shown)} if request.call.version >= ETAG else None
    return request.call.answer({"metadata": shown}, headers=headers)


@router.post(
    "/metadata",
    response_model=None,
    summary="Add to a volume's metadata",
    responses={200: {"model": schemas.MetadataAnswer}, **_WRITES},
    openapi_extra=since(MINIMUM, requestBody=json_body(schemas.MetadataBody)),
)
async def add(volume_id: VolumeId, request: FacadeRequest) -> Response:
    """Answers with what was sent."""
    pairs = validate(schemas.MetadataBody, request.call.body).metadata
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    await request.facade.volumes.change(
        request.caller, volume, "volume:create_volume_metadata", lambda now: _merge(now, pairs)
    )
    return request.call.answer({"metadata": pairs})


@router.put(
    "/metadata",
    response_model=None,
    summary="Replace a volume's metadata",
    responses={200: {"model": schemas.MetadataAnswer}, **_WRITES},
    openapi_extra=since(MINIMUM, requestBody=json_body(schemas.MetadataBody)),
)
async def replace(volume_id: VolumeId, request: FacadeRequest) -> Response:
    """Keys that are not in the body go."""
    pairs = validate(schemas.MetadataBody, request.call.body).metadata
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    await request.facade.volumes.change(
        request.caller,
        volume,
        "volume:update_volume_metadata",
        lambda now: [] if now.spec.metadata == pairs else [put("/spec/metadata", pairs)],
    )
    return request.call.answer({"metadata": pairs})


@router.get(
    "/metadata/{key}",
    response_model=None,
    summary="Show one metadata key",
    responses={200: {"model": schemas.MetaAnswer}, **faults(400, 404, 409, 503)},
    openapi_extra=since(MINIMUM),
)
async def show_key(volume_id: VolumeId, key: Key, request: FacadeRequest) -> Response:
    """One pair."""
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    shown = shown_metadata(volume)
    if key not in shown:
        raise _no_key(volume, key)
    return request.call.answer({"meta": {key: shown[key]}})


@router.put(
    "/metadata/{key}",
    response_model=None,
    summary="Set one metadata key",
    responses={200: {"model": schemas.MetaAnswer}, **_WRITES},
    openapi_extra=since(MINIMUM, requestBody=json_body(schemas.MetaBody)),
)
async def set_key(volume_id: VolumeId, key: Key, request: FacadeRequest) -> Response:
    """The body names the key again."""
    pairs = validate(schemas.MetaBody, request.call.body).meta
    if key not in pairs:
        raise BadRequest("Request body and URI mismatch")
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    await request.facade.volumes.change(
        request.caller, volume, "volume:update_volume_metadata", lambda now: _merge(now, pairs)
    )
    return request.call.answer({"meta": pairs})


@router.delete(
    "/metadata/{key}",
    status_code=200,
    response_class=Response,
    response_model=None,
    summary="Delete one metadata key",
    responses=faults(400, 403, 404, 409, 503),
    openapi_extra=since(MINIMUM),
)
async def delete_key(volume_id: VolumeId, key: Key, request: FacadeRequest) -> Response:
    """404 when it is not there."""
    volume = await request.facade.lookup.volume(request.caller, volume_id)

    def remove(current: Volume) -> list[Operation]:
        if key not in current.spec.metadata:
            raise _no_key(volume, key)
        return [drop(pointer("spec", "metadata", key))]

    await request.facade.volumes.change(request.caller, volume, "volume:delete_volume_metadata", remove)
    return request.call.empty(200)


def _merge(current: Volume, pairs: dict[str, Any]) -> list[Operation]:
    merged = {**current.spec.metadata, **pairs}
    return [] if merged == current.spec.metadata else [put("/spec/metadata", merged)]


def _no_key(volume: Volume, key: str) -> NotFound:
    return NotFound(f"Volume {volume.id} has no metadata with key {key}.")


def _etag(shown: dict[str, str]) -> str:
    return hashlib.md5(to_json(dict(sorted(shown.items()))), usedforsecurity=False).hexdigest()
