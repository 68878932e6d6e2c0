"""The attachments API: six endpoints, and one action."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Response

from fairlead_api.attachments import schemas, view
from fairlead_api.attachments.listing import FILTERS
from fairlead_api.facade_route import FacadeRequest, FacadeRoute
from fairlead_api.openapi import faults, json_body, listed
from fairlead_api.protocol.microversion import ATTACH_MODE, ATTACHMENTS, COMPLETE
from fairlead_api.protocol.route import since
from fairlead_api.protocol.validation import validate
from fairlead_api.volumes.admin_metadata import FORMAT, admin_metadata
from fairlead_crds.kinds import Attachment

router: Final = APIRouter(prefix="/v3", route_class=FacadeRoute, tags=["attachments"])

AttachmentId = Annotated[str, Path(description="The attachment's id.")]
_CREATE: Final = json_body(schemas.CreateAttachmentWithMode, schemas.CreateAttachment)


@router.post(
    "/attachments",
    status_code=202,
    response_model=None,
    summary="Reserve a volume, and attach it when there is a connector",
    responses={202: {"model": schemas.AttachmentAnswer}, **faults(400, 403, 404, 409, 413, 415, 500, 503, 504)},
    openapi_extra=since(ATTACHMENTS, requestBody=_CREATE),
)
async def create(request: FacadeRequest) -> Response:
    """Answers when the operator has reserved or exported the volume. What fails leaves nothing behind."""
    model = schemas.CreateAttachmentWithMode if request.call.version >= ATTACH_MODE else schemas.CreateAttachment
    asked: Any = validate(model, request.call.body)
    attachment = await request.facade.attachments.create(request.caller, asked.attachment)
    return await _shown(request, attachment, 202)


@router.get(
    "/attachments",
    response_model=None,
    summary="List attachments in brief",
    responses={200: {"model": schemas.AttachmentList}, **faults(400, 404, 503)},
    openapi_extra=since(ATTACHMENTS, parameters=listed(FILTERS)),
)
async def list_summary(request: FacadeRequest) -> Response:
    """Newest first. Filters: volume_id, instance_id, attach_status (or status); administrators: any column."""
    page = await request.facade.attachment_lists.page(request.caller, request.call.query, request.call.version)
    return request.call.answer(_summaries(request, page))


@router.get(
    "/attachments/detail",
    response_model=None,
    summary="List attachments in full",
    responses={200: {"model": schemas.AttachmentDetailList}, **faults(400, 404, 503)},
    openapi_extra=since(ATTACHMENTS, parameters=listed(FILTERS)),
)
async def list_detail(request: FacadeRequest) -> Response:
    """As the brief list, with connection_info."""
    page = await request.facade.attachment_lists.page(request.caller, request.call.query, request.call.version)
    await request.facade.connections.prepare(page)
    return request.call.answer({"attachments": [_detail(request, attachment) for attachment in page]})


@router.get(
    "/attachments/{attachment_id}",
    response_model=None,
    summary="Show an attachment",
    responses={200: {"model": schemas.AttachmentAnswer}, **faults(400, 404, 409, 503)},
    openapi_extra=since(ATTACHMENTS),
)
async def show(attachment_id: AttachmentId, request: FacadeRequest) -> Response:
    """Shows the volume's format in connection_info too, when its admin metadata tell it."""
    attachment = await request.facade.lookup.attachment(request.caller, attachment_id)
    await request.facade.connections.prepare([attachment])
    shown = _detail(request, attachment)
    volume = request.facade.mirror.volume_of(attachment)
    if volume is not None and (format_ := admin_metadata(volume).get(FORMAT)) is not None:
        shown["connection_info"]["format"] = format_
    return request.call.answer({"attachment": shown})


@router.put(
    "/attachments/{attachment_id}",
    response_model=None,
    summary="Attach a reserved volume to a node, or move it to another",
    responses={200: {"model": schemas.AttachmentAnswer}, **faults(400, 403, 404, 409, 413, 415, 500, 503, 504)},
    openapi_extra=since(ATTACHMENTS, requestBody=json_body(schemas.UpdateAttachment)),
)
async def update(attachment_id: AttachmentId, request: FacadeRequest) -> Response:
    """Answers when the operator has exported the volume. After a failure the volume is still reserved."""
    asked = validate(schemas.UpdateAttachment, request.call.body)
    attachment = await request.facade.lookup.attachment(request.caller, attachment_id)
    attachment = await request.facade.attachments.update(request.caller, attachment, asked.attachment.connector)
    return await _shown(request, attachment, 200)


@router.delete(
    "/attachments/{attachment_id}",
    response_model=None,
    summary="Detach",
    responses={200: {"model": schemas.AttachmentList}, **faults(400, 403, 404, 409, 500, 503, 504)},
    openapi_extra=since(ATTACHMENTS),
)
async def delete(attachment_id: AttachmentId, request: FacadeRequest) -> Response:
    """Answers, with the attachments left on the volume, when the node has been cut off."""
    attachment = await request.facade.lookup.attachment(request.caller, attachment_id)
    left = await request.facade.attachments.delete(request.caller, attachment)
    return request.call.answer(_summaries(request, left))


@router.post(
    "/attachments/{attachment_id}/action",
    status_code=204,
    response_class=Response,
    response_model=None,
    summary="Complete an attachment",
    responses=faults(400, 403, 404, 409, 413, 415, 503),
    openapi_extra=since(ATTACHMENTS, requestBody=json_body(schemas.Complete)),
)
async def act(attachment_id: AttachmentId, request: FacadeRequest) -> Response:
    """The node says that it has connected (os-complete, from 3.44 on)."""
    request.call.action({"os-complete": COMPLETE})
    attachment = await request.facade.lookup.attachment(request.caller, attachment_id)
    await request.facade.attachments.complete(request.caller, attachment)
    return request.call.empty(204)


async def _shown(request: FacadeRequest, attachment: Attachment, status: int) -> Response:
    await request.facade.connections.prepare([attachment])
    return request.call.answer({"attachment": _detail(request, attachment)}, status)


def _detail(request: FacadeRequest, attachment: Attachment) -> dict[str, Any]:
    volume = request.facade.mirror.volume_of(attachment)
    info = request.facade.connections.describe(request.caller, attachment, view.volume_id_of(attachment, volume))
    return view.detail(attachment, volume, info)


def _summaries(request: FacadeRequest, attachments: Sequence[Attachment]) -> dict[str, Any]:
    volume_of = request.facade.mirror.volume_of
    return {"attachments": [view.summary(attachment, volume_of(attachment)) for attachment in attachments]}
