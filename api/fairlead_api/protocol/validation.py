"""Validation of request bodies: pydantic models in, the API's own wording out.

The real service validates with JSON Schema and answers with the first error's text; clients do not parse it, people
read it. So a pydantic error is said again in those words: which field, which value, what is wrong.
"""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from fairlead_api.protocol.body import Absent
from fairlead_api.protocol.faults import BadRequest

ModelT = TypeVar("ModelT", bound=BaseModel)

_SAID: Final = "said"
"""Type of the errors whose message is already in the API's words."""

_TYPE_WORDS: Final = {
    "dict_type": "object",
    "model_type": "object",
    "model_attributes_type": "object",
    "string_type": "string",
    "int_type": "integer",
    "bool_type": "boolean",
    "list_type": "array",
}
_LONGEST_VALUE: Final = 256


class Request(BaseModel):
    """A request's body or a node of it. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def said(message: str) -> PydanticCustomError:
    """A validation error in the API's words."""
    return PydanticCustomError(_SAID, "{message}", {"message": message})


_UUID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def is_uuid(text: str) -> bool:
    """Tell whether a text is a UUID, in capitals or without dashes too."""
    return _UUID.fullmatch(text) is not None


def _uuid(value: Any) -> Any:
    if isinstance(value, str) and not is_uuid(value):
        raise said(f"{_shown(value)} is not a 'uuid'")
    return value


UuidText = Annotated[str, BeforeValidator(_uuid, json_schema_input_type=str)]
"""A UUID as text, kept as it was written."""


def validate(model: type[ModelT], body: Any) -> ModelT:
    """Check a body against a model.

    Raises:
        BadRequest: it breaks a rule; the message names the field.
    """
    if isinstance(body, Absent):
        raise BadRequest("The request has no JSON body, or its Content-Type header is missing.")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise BadRequest(_say(error.errors(include_url=False), body)) from None


def _say(errors: Sequence[ErrorDetails], body: Any) -> str:
    """Say the error nearest to the top of the body, as JSON Schema's best match does."""
    found = min((_located(error, body) for error in errors), key=lambda located: len(located[0]))
    path, value, text = found
    if not path:
        return text
    return f"Invalid input for field/attribute {path[-1]}. Value: {_clip(str(value))}. {text}"


def _located(error: ErrorDetails, body: Any) -> tuple[tuple[int | str, ...], Any, str]:
    """Return where an error is, the value there, and what is wrong with it."""
    kind, value, loc = error["type"], error["input"], error["loc"]
    if kind == "missing":
        return *_walk(body, loc[:-1]), f"{loc[-1]!r} is a required property"
    if kind == "extra_forbidden":
        return *_walk(body, loc[:-1]), f"Additional properties are not allowed ({_shown(loc[-1])} was unexpected)"
    return _walk(body, loc)[0], value, _wrong(kind, value, error)


def _wrong(kind: str, value: Any, error: ErrorDetails) -> str:
    context = error.get("ctx", {})
    if kind in _TYPE_WORDS:
        return f"{_shown(value)} is not of type '{_TYPE_WORDS[kind]}'"
    match kind:
        case "literal_error":
            return f"{_shown(value)} is not one of [{str(context['expected']).replace(' or ', ', ')}]"
        case "string_too_long":
            return f"{_shown(value)} is too long"
        case "string_too_short":
            return f"{_shown(value)} is too short"
        case "too_short":
            return f"{_shown(value)} should be non-empty"
        case "greater_than_equal":
            return f"{_shown(value)} is less than the minimum of {context['ge']}"
        case "less_than_equal":
            return f"{_shown(value)} is greater than the maximum of {context['le']}"
        case _:
            return error["msg"]


def _walk(body: Any, loc: Sequence[int | str]) -> tuple[tuple[int | str, ...], Any]:
    """Follow a location into the body; pydantic's own marks in it, such as the branch of a union, lead nowhere."""
    path: list[int | str] = []
    node = body
    for step in loc:
        inside = isinstance(node, dict) and step in node
        if inside or (isinstance(node, list) and isinstance(step, int) and step < len(node)):
            node = node[step]
            path.append(step)
    return tuple(path), node


def _shown(value: Any) -> str:
    return _clip(repr(value))


def _clip(text: str) -> str:
    """Keep a large value from filling the answer."""
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."
