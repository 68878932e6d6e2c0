"""What each route does, in the words of Kubernetes' RBAC, and the policy rule that it stands under.

Derived from the route instead of listed, so that a new route can be forgotten nowhere: whatever is not known here more
exactly counts as writing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ATTACHMENTS: Final = "attachments"
_VOLUMES: Final = "volumes"

_ATTACHMENT_RULES: Final[Mapping[str, str]] = {
    "create": "volume:attachment_create",
    "get": "volume:attachment_get",
    "list": "volume:attachment_get_all",
    "patch": "volume:attachment_update",
    "delete": "volume:attachment_delete",
}
_VOLUME_RULES: Final[Mapping[str, str]] = {
    "create": "volume:create",
    "get": "volume:get",
    "list": "volume:get_all",
    "patch": "volume:update",
    "delete": "volume:delete",
}
_ACTION_RULES: Final = "volume_extension:volume_actions:"
_ATTACHING_ACTIONS: Final[Mapping[str, str]] = {
    "os-initialize_connection": "create",
    "os-attach": "create",
    "os-terminate_connection": "delete",
    "os-detach": "delete",
    "os-force_detach": "delete",
}
"""Actions on a volume that make or end attachments: the verb on those."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a request does.

    Attributes:
        rule: the policy rule, as the Block Storage API names it.
        verb: RBAC's verb.
        resource: `attachments` or `volumes`.
        shows_connection: the answer has connection_info, with credentials for those who may read them.
        detaches: it may take a node's export away.
    """

    rule: str
    verb: str
    resource: str
    shows_connection: bool = False
    detaches: bool = False


def access_of(method: str, template: str, action: str | None = None) -> Access:
    """Return what a request does.

    Args:
        method: its method.
        template: its route's path, such as `/v3/attachments/{attachment_id}`.
        action: the key that names the action, of a request to an `action` path.
    """
    if template.startswith(f"/v3/{_ATTACHMENTS}"):
        return _attachments(method, template)
    if template.endswith("/action"):
        return _volume_action(action or "")
    verb = _verb(method, template)
    if template.startswith("/v3/volumes/{volume_id}/") and verb in ("create", "delete"):
        # What is below a volume, its metadata say, is part of it.
        verb = "patch"
    return Access(_VOLUME_RULES[verb], verb, _VOLUMES, detaches=verb == "delete")


def _attachments(method: str, template: str) -> Access:
    if template.endswith("/action"):
        return Access("volume:attachment_complete", "patch", _ATTACHMENTS)
    verb = _verb(method, template)
    return Access(
        _ATTACHMENT_RULES[verb],
        verb,
        _ATTACHMENTS,
        shows_connection=verb in ("create", "get", "patch") or template.endswith("/detail"),
        detaches=verb in ("patch", "delete"),
    )


def _volume_action(action: str) -> Access:
    rule = _ACTION_RULES + action.removeprefix("os-")
    if action in _ATTACHING_ACTIONS:
        verb = _ATTACHING_ACTIONS[action]
        shows = action == "os-initialize_connection"
        return Access(rule, verb, _ATTACHMENTS, shows_connection=shows, detaches=verb == "delete")
    if action == "os-force_delete":
        return Access(rule, "delete", _VOLUMES, detaches=True)
    return Access(rule, "patch", _VOLUMES)


def _verb(method: str, template: str) -> str:
    match method:
        case "GET" | "HEAD":
            return "get" if template.endswith("}") else "list"
        case "POST":
            return "create"
        case "DELETE":
            return "delete"
        case _:
            return "patch"
