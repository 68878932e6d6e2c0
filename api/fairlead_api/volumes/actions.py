"""Actions on a volume: one endpoint, told apart by the body's one key."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, Response

from fairlead_api.cache.revision import Operation, put
from fairlead_api.facade import Facade
from fairlead_api.facade_route import FacadeRequest, FacadeRoute
from fairlead_api.identity.caller import Caller
from fairlead_api.openapi import faults, json_body
from fairlead_api.protocol.faults import BadRequest
from fairlead_api.protocol.microversion import MINIMUM, Microversion
from fairlead_api.protocol.route import Call, since
from fairlead_api.protocol.validation import ModelT, validate
from fairlead_api.volumes import action_schemas as schemas
from fairlead_api.volumes import legacy_attach, types
from fairlead_api.volumes.admin_metadata import READ_ONLY
from fairlead_api.volumes.operations import set_admin_metadata
from fairlead_api.volumes.routes import VolumeId
from fairlead_api.volumes.status import ATTACHING, AVAILABLE, DETACHING, IN_USE
from fairlead_crds.kinds import Volume
from fairlead_crds.quantity import to_gib

router: Final = APIRouter(prefix="/v3", route_class=FacadeRoute, tags=["volume actions"])

EXTEND_IN_USE: Final = Microversion(3, 42)


@dataclass(frozen=True, slots=True)
class Act:
    """An action under way."""

    call: Call
    caller: Caller
    facade: Facade
    volume: Volume

    def read(self, model: type[ModelT]) -> ModelT:
        """The body as the action's model."""
        return validate(model, self.call.body)


async def begin_detaching(act: Act) -> Response:
    """Nova is about to detach. Needs a volume that is in use."""
    state = act.facade.volumes.state(act.volume)
    if state.status != IN_USE or state.attach_status != "attached":
        raise BadRequest(
            f"Invalid volume: Unable to detach volume. Volume status must be 'in-use' and attach_status must be "
            f"'attached' to detach. The volume {act.volume.id} is {state.status} and {state.attach_status}."
        )
    act.facade.volumes.require(act.caller, act.volume, "volume_extension:volume_actions:begin_detaching")
    await act.facade.volumes.set_override(act.volume, DETACHING)
    return act.call.empty(202)


async def roll_detaching(act: Act) -> Response:
    """Nova did not detach after all. Answers 202 also when there is nothing to take back."""
    act.facade.volumes.require(act.caller, act.volume, "volume_extension:volume_actions:roll_detaching")
    if act.facade.volumes.state(act.volume).status == DETACHING:
        await act.facade.volumes.forget_override(act.volume)
    return act.call.empty(202)


async def reserve(act: Act) -> Response:
    """The older way to take a volume: it shows `attaching` until it is attached or unreserved."""
    state = act.facade.volumes.state(act.volume)
    act.facade.volumes.require(act.caller, act.volume, "volume_extension:volume_actions:reserve")
    allowed = (AVAILABLE, IN_USE) if act.volume.spec.multi_attach else (AVAILABLE,)
    if state.status not in allowed:
        raise BadRequest(
            f"Invalid volume: Volume {act.volume.id} status must be {' or '.join(allowed)} to reserve, but the current "
            f"status is {state.status}."
        )
    await act.facade.volumes.set_override(act.volume, ATTACHING)
    return act.call.empty(202)


async def unreserve(act: Act) -> Response:
    """Takes a reservation of the older kind back; otherwise nothing."""
    act.facade.volumes.require(act.caller, act.volume, "volume_extension:volume_actions:unreserve")
    if act.facade.volumes.state(act.volume).status == ATTACHING:
        await act.facade.volumes.forget_override(act.volume)
    return act.call.empty(202)


async def update_readonly_flag(act: Act) -> Response:
    """Whether attachments made from now on are read-only. Needs a volume that is available."""
    read_only = act.read(schemas.UpdateReadonlyFlag).action.readonly
    status = act.facade.volumes.state(act.volume).status
    if status != AVAILABLE:
        raise BadRequest(
            f"Invalid volume: Volume {act.volume.id} status must be available to update readonly flag, but current "
            f"status is: {status}."
        )

    def change(current: Volume) -> list[Operation]:
        flags = set_admin_metadata(current, **{READ_ONLY: str(read_only)})
        return flags if current.spec.read_only == read_only else [*flags, put("/spec/readOnly", read_only)]

    await act.facade.volumes.change(act.caller, act.volume, "volume:update_readonly_flag", change)
    return act.call.empty(202)


async def set_bootable(act: Act) -> Response:
    """Whether the volume can be booted from. Only shown; nothing here looks at it."""
    bootable = act.read(schemas.SetBootable).action.bootable
    await act.facade.volumes.change(
        act.caller,
        act.volume,
        "volume_extension:volume_actions:set_bootable",
        lambda current: [] if current.spec.bootable == bootable else [put("/spec/bootable", bootable)],
    )
    return act.call.empty(200)


async def reset_status(act: Act) -> Response:
    """Makes the volume show a status. It opens or shuts the gate of this API; the operator goes by what is."""
    asked = act.read(schemas.ResetStatus).action
    act.caller.require_admin("volume_extension:volume_admin_actions:reset_status")
    if asked.status is None:
        return act.call.empty(202)
    state = act.facade.volumes.state(act.volume)
    if asked.status == IN_USE and not state.attachments:
        raise BadRequest("Cannot reset volume status to in-use: the volume has no attachments.")
    await act.facade.volumes.set_override(act.volume, asked.status)
    return act.call.empty(202)


async def extend(act: Act) -> Response:
    """Makes the volume larger; it shows `extending` until the backend has done it."""
    new_size = act.read(schemas.Extend).action.new_size
    state = act.facade.volumes.state(act.volume)
    act.facade.volumes.require(act.caller, act.volume, "volume:extend")
    allowed = (AVAILABLE, IN_USE) if act.call.version >= EXTEND_IN_USE else (AVAILABLE,)
    if state.status not in allowed:
        raise BadRequest(
            f"Invalid volume: Volume {act.volume.id} status must be '{' or '.join(allowed)}' to extend, currently "
            f"{state.status}."
        )
    current = to_gib(act.volume.spec.size_bytes)
    if new_size <= current:
        raise BadRequest(
            f"Invalid input received: New size for extend must be greater than current size. (current: {current}, "
            f"extended: {new_size})."
        )
    await act.facade.volumes.change(
        act.caller, act.volume, "volume:extend", lambda now: [put("/spec/size", f"{new_size}Gi")]
    )
    return act.call.empty(202)


async def force_delete(act: Act) -> Response:
    """Deletes a volume whatever its status, unless it is attached."""
    await act.facade.volumes.delete(act.caller, act.volume, force=True)
    return act.call.empty(202)


async def retype(act: Act) -> Response:
    """To its own type, which changes nothing. To another is not possible: a volume stays on its Backend."""
    asked = act.read(schemas.Retype).action
    act.facade.volumes.require(act.caller, act.volume, "volume:retype")
    wanted = act.facade.types.find(asked.new_type)
    if wanted.name != types.type_name(act.volume):
        raise BadRequest(
            f"Invalid input received: a volume cannot change its type from {types.type_name(act.volume)} to "
            f"{wanted.name}: it stays on its Backend. Copy the data to a new volume."
        )
    return act.call.empty(202)


async def migrate_volume_completion(act: Act) -> Response:
    """Nova has swapped volumes: the new volume it names takes the old one's place in the instance.

    Volumes here are never migrated behind their id, so the new id stays the one to use, which is the answer.
    """
    asked = act.read(schemas.MigrateCompletion).action
    act.caller.require_admin("volume_extension:volume_admin_actions:migrate_volume_completion")
    new = await act.facade.lookup.volume(act.caller, asked.new_volume)
    return act.call.answer({"save_volume_id": new.id})


async def extend_volume_completion(act: Act) -> Response:
    """Nova has told the guest of the new size. The operator had enlarged the volume before, so nothing is left."""
    act.read(schemas.ExtendCompletion)
    act.caller.require_admin("volume:extend_volume_completion")
    return act.call.empty(202)


async def initialize_connection(act: Act) -> Response:
    """The older way to connect: exports the volume and answers with connection_info in its nested form."""
    connector = act.read(schemas.InitializeConnection).action.connector
    info = await legacy_attach.initialize(act.facade, act.caller, act.volume, connector)
    return act.call.answer({"connection_info": info})


async def terminate_connection(act: Act) -> Response:
    """The older way to disconnect."""
    connector = act.read(schemas.TerminateConnection).action.connector
    await legacy_attach.terminate(act.facade, act.caller, act.volume, connector)
    return act.call.empty(202)


async def attach(act: Act) -> Response:
    """The older way to say that a node has the volume."""
    asked = act.read(schemas.Attach).action
    await legacy_attach.attach(act.facade, act.caller, act.volume, asked)
    return act.call.empty(202)


async def detach(act: Act) -> Response:
    """The older way to say that a node has it no longer."""
    asked = act.read(schemas.Detach).action
    await legacy_attach.detach(act.facade, act.caller, act.volume, asked.attachment_id)
    return act.call.empty(202)


_ACTIONS: Final[Mapping[str, tuple[Microversion, Callable[[Act], Awaitable[Response]]]]] = {
    "os-begin_detaching": (MINIMUM, begin_detaching),
    "os-roll_detaching": (MINIMUM, roll_detaching),
    "os-reserve": (MINIMUM, reserve),
    "os-unreserve": (MINIMUM, unreserve),
    "os-update_readonly_flag": (MINIMUM, update_readonly_flag),
    "os-set_bootable": (MINIMUM, set_bootable),
    "os-reset_status": (MINIMUM, reset_status),
    "os-extend": (MINIMUM, extend),
    "os-force_delete": (MINIMUM, force_delete),
    "os-retype": (MINIMUM, retype),
    "os-migrate_volume_completion": (MINIMUM, migrate_volume_completion),
    "os-extend_volume_completion": (Microversion(3, 71), extend_volume_completion),
    "os-initialize_connection": (MINIMUM, initialize_connection),
    "os-terminate_connection": (MINIMUM, terminate_connection),
    "os-attach": (MINIMUM, attach),
    "os-detach": (MINIMUM, detach),
}
SINCE: Final = {name: version for name, (version, _) in _ACTIONS.items()}


@router.post(
    "/volumes/{volume_id}/action",
    response_model=None,
    status_code=202,
    response_class=Response,
    summary="Act on a volume",
    responses={
        200: {"model": schemas.ActionAnswer, "description": "os-set_bootable (empty) and those that answer something"},
        **faults(400, 403, 404, 409, 413, 415, 500, 503, 504),
    },
    openapi_extra=since(MINIMUM, requestBody=json_body(*schemas.ACTIONS)),
)
async def act_on(volume_id: VolumeId, request: FacadeRequest) -> Response:
    """The body's one key names the action."""
    _, perform = _ACTIONS[request.call.action(SINCE)]
    volume = await request.facade.lookup.volume(request.caller, volume_id)
    return await perform(Act(request.call, request.caller, request.facade, volume))
