"""Version discovery and health: what is asked before anything else, without a token."""

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.responses import PlainTextResponse

from fairlead_api.cache.mirror import STALE_AFTER
from fairlead_api.protocol import microversion
from fairlead_api.protocol.body import JSON
from fairlead_api.protocol.route import base_url

router: Final = APIRouter(tags=["discovery"])

_UPDATED: Final = "2023-08-31T00:00:00Z"
"""When the real service's API last changed: the date of 3.71."""

_DOCUMENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The versions there are", "content": {JSON: {"schema": {"type": "object"}}}}
}


def versions(base: str) -> dict[str, Any]:
    """The versions document. Clients negotiate microversions by it."""
    return {
        "versions": [
            {
                "id": "v3.0",
                "status": "CURRENT",
                "version": str(microversion.MAXIMUM),
                "min_version": str(microversion.MINIMUM),
                "updated": _UPDATED,
                "links": [
                    {"rel": "describedby", "type": "text/html", "href": "https://docs.openstack.org/"},
                    {"rel": "self", "href": f"{base}/v3/"},
                ],
                "media-types": [
                    {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
                ],
            }
        ]
    }


@router.get(
    "/", status_code=300, response_model=None, summary="The versions there are", responses={300: _DOCUMENT[200]}
)
async def root(request: Request) -> Response:
    """Answers 300, as the real service does."""
    return Response(to_json(versions(base_url(request))), 300, media_type=JSON)


@router.get("/v3/", response_model=None, summary="The versions there are", responses=_DOCUMENT)
async def v3(request: Request) -> Response:
    """The same document."""
    return Response(to_json(versions(base_url(request))), 200, media_type=JSON)


@router.get(
    "/v3",
    status_code=302,
    response_model=None,
    response_class=PlainTextResponse,
    summary="Leads to /v3/",
    responses={302: {"description": "Found"}},
)
async def v3_without_slash(request: Request) -> Response:
    """Some clients ask for exactly this path first."""
    location = f"{base_url(request)}/v3/"
    text = f"302 Found\n\nThe resource was found at {location}\n"
    return Response(text, 302, {"Location": location}, media_type="text/plain")


@router.get(
    "/healthcheck",
    response_model=None,
    summary="Whether this replica can serve",
    responses={200: {"description": "It can"}, 503: {"description": "It cannot; the reasons say why"}},
)
async def healthcheck(request: Request) -> Response:
    """Unhealthy until every resource has been read once, and when the API server has fallen silent."""
    mirror = request.app.state.facade.mirror
    reasons = []
    if not mirror.synced:
        reasons.append("the resources have not been read yet")
    elif mirror.age > STALE_AFTER:
        reasons.append(f"nothing heard from the Kubernetes API server for {mirror.age:.0f} s")
    return Response(
        to_json({"detailed": False, "reasons": reasons or ["OK"]}), 503 if reasons else 200, media_type=JSON
    )
