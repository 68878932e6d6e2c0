"""Request bodies: content types, JSON, size."""

from typing import Any, Final

import pydantic_core

from fairlead_api.protocol.faults import BadRequest, UnsupportedMediaType

LIMIT: Final = 114688
"""Bytes. The Block Storage API's own limit (osapi_max_request_body_size)."""

CONNECTOR_LIMIT: Final = 16 * 1024
"""Bytes of a connector as JSON: what the Attachment resource takes."""

JSON: Final = "application/json"
VENDOR_JSON: Final = "application/vnd.openstack.volume+json"


class Absent:
    """Stands for a body that is not there, which is not the same as the body `null`."""


ABSENT: Final = Absent()


def decode(content: bytes, content_type: str | None) -> Any:
    """Return a body's JSON value, or ABSENT.

    A body without a content type counts as absent. A repeated key's last value holds, as in the real service.

    Raises:
        UnsupportedMediaType: the content type is not JSON.
        BadRequest: the body is not JSON: a syntax error, NaN, half a surrogate pair, or nested too deeply.
    """
    if not content or content_type is None:
        return ABSENT
    if content_type.partition(";")[0].strip().lower() not in (JSON, VENDOR_JSON):
        raise UnsupportedMediaType("Unsupported Content-Type")
    try:
        return pydantic_core.from_json(content, allow_inf_nan=False)
    except ValueError:
        raise BadRequest("Malformed request body") from None


def answer_type(accept: str | None) -> str:
    """Return the content type of answers: the vendor type when it is asked for, else plain JSON, never 406."""
    return VENDOR_JSON if accept is not None and VENDOR_JSON in accept else JSON
