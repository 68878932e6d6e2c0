"""The OpenAPI document: FastAPI's own, made accurate where the API does what FastAPI does not know of.

Request bodies come from the models that validate them, faults from the statuses each route declares, and every path
is listed twice, because the project may be in it or not.
"""

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from fairlead_api.protocol import microversion
from fairlead_api.protocol.faults import NAMES, OTHER
from fairlead_api.protocol.route import MINIMUM_KEY

_REFERENCE: Final = "#/components/schemas/{model}"
_bodies: set[type[BaseModel]] = set()

_EXPLAINED: Final = {
    400: "The request breaks a rule, or the state of things forbids it",
    401: "No valid token",
    403: "Not allowed",
    404: "No such thing, or not at this microversion",
    409: "Something stands in the way",
    413: "The body is larger than 114688 bytes",
    415: "The body is not JSON",
    500: "The backend failed; the message says why",
    503: "Not able to serve at the moment",
    504: "The operator did not answer in time; the message says what was waited for",
}

_PARAMETERS: Final[dict[str, dict[str, Any]]] = {
    "Microversion": {
        "name": microversion.HEADER,
        "in": "header",
        "required": False,
        "description": f"`volume 3.NN` or `volume latest`; {microversion.MINIMUM} when absent, "
        f"{microversion.MAXIMUM} at most.",
        "schema": {"type": "string"},
        "example": f"volume {microversion.MAXIMUM}",
    },
    "Project": {
        "name": "project_id",
        "in": "path",
        "required": True,
        "description": "The project: a namespace's label fairlead.dev/project-id, or its name.",
        "schema": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"},
    },
}

_HEADERS: Final[dict[str, dict[str, Any]]] = {
    "RequestId": {"description": "The request's id, as in the log.", "schema": {"type": "string"}},
    "MicroversionUsed": {"description": "The microversion used.", "schema": {"type": "string"}},
}
_SUCCESS_HEADERS: Final = (("x-openstack-request-id", "RequestId"), (microversion.HEADER, "MicroversionUsed"))


def json_body(*models: type[BaseModel]) -> dict[str, Any]:
    """A request body that is one of these models, the newest microversion's first."""
    _bodies.update(models)
    schemas = [{"$ref": _REFERENCE.format(model=model.__name__)} for model in models]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def faults(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route that can refuse with these statuses; 406 (microversion) goes with each."""
    return {status: _fault(status) for status in sorted({*statuses, 406})}


def _fault(status: int) -> dict[str, Any]:
    properties = {"code": {"type": "integer", "const": status}, "message": {"type": "string"}}
    key = NAMES.get(status, OTHER)
    node: dict[str, Any] = {"type": "object", "properties": properties, "required": list(properties)}
    if status == 413:
        # Made below the API layer, before anybody looked at the path.
        node["properties"] = {name: {"type": "string"} for name in ("code", "message", "title")}
        schema = node
    else:
        schema = {"type": "object", "properties": {key: node}, "required": [key]}
    return {
        "description": _EXPLAINED.get(status, "The microversion is out of range"),
        "content": {"application/json": {"schema": schema}},
    }


def document(app: FastAPI) -> dict[str, Any]:
    """Return the application's document."""
    schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = schema.setdefault("components", {})
    models = sorted(_bodies, key=lambda model: model.__name__)
    _, definitions = models_json_schema([(model, "validation") for model in models], ref_template=_REFERENCE)
    components.setdefault("schemas", {}).update(definitions.get("$defs", {}))
    # FastAPI adds its own validation errors, which this API never answers with.
    for unused in ("HTTPValidationError", "ValidationError"):
        components["schemas"].pop(unused, None)
    components["parameters"] = deepcopy(_PARAMETERS)
    components["headers"] = deepcopy(_HEADERS)
    components["responses"] = {f"Fault{status}": _fault(status) for status in sorted({*_EXPLAINED, 406})}
    paths: dict[str, Any] = {}
    for path, operations in schema["paths"].items():
        for operation in operations.values():
            operation.get("responses", {}).pop("422", None)
            if path.startswith("/v3/") and path != "/v3/":
                _complete(operation)
        paths[path] = operations
        if path.startswith("/v3/") and path != "/v3/":
            paths[path.replace("/v3/", "/v3/{project_id}/", 1)] = _with_project(operations)
    schema["paths"] = paths
    return schema


def _complete(operation: dict[str, Any]) -> None:
    minimum = operation.get(MINIMUM_KEY)
    if minimum is not None:
        text = operation.get("description", "")
        operation["description"] = f"{text}\n\nFrom microversion {minimum} on.".strip()
    operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/Microversion"})
    for status, response in operation["responses"].items():
        if int(status) >= 400:
            operation["responses"][status] = {"$ref": f"#/components/responses/Fault{status}"}
        else:
            response["headers"] = {name: {"$ref": f"#/components/headers/{key}"} for name, key in _SUCCESS_HEADERS}


def _with_project(operations: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = deepcopy(operations)
    for operation in copied.values():
        operation["parameters"] = [{"$ref": "#/components/parameters/Project"}, *operation.get("parameters", [])]
        if "operationId" in operation:
            operation["operationId"] += "_in_project"
    return copied


def query(*parameters: tuple[str, str]) -> list[dict[str, Any]]:
    """`parameters` of a route: optional query parameters, by name and description."""
    return [
        {"name": name, "in": "query", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in parameters
    ]


PAGING: Final = query(
    ("limit", "Items on the page at most; 1000 is the most there are."),
    ("marker", "Id of the last item of the page before."),
    ("offset", "Items to skip."),
    ("sort", "Columns and directions: `created_at:asc,id`. `desc` when none is given."),
    ("sort_key", "A column; the older form."),
    ("sort_dir", "asc or desc; the older form."),
    ("all_tenants", "Administrators: true for every project's."),
    ("project_id", "Administrators, with all_tenants: this project's only."),
)


def listed(names: Iterable[str]) -> list[dict[str, Any]]:
    """`parameters` of a list that can be filtered by these columns."""
    return [*PAGING, *query(*((name, "Exact match.") for name in names))]
