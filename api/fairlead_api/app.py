"""The application: routes, the outermost layer, and what runs beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from fairlead_api import side_routes, versions
from fairlead_api.attachments import routes as attachments
from fairlead_api.facade import Facade
from fairlead_api.identity.authentication import Authentication
from fairlead_api.openapi import document
from fairlead_api.protocol.body import JSON
from fairlead_api.protocol.envelope import NOT_FOUND, Envelope, below_api
from fairlead_api.transport.doorkeeper import Doorkeeper
from fairlead_api.volumes import actions, metadata, type_routes
from fairlead_api.volumes import routes as volumes


def create_app(facade: Facade) -> ASGIApp:
    """Build the application. Its lifespan runs the mirror."""
    app = FastAPI(
        title="Fairlead",
        version=version("fairlead"),
        description="The Block Storage v3 attachments API over Fairlead's custom resources.",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        # Its own spans would begin a second trace inside ours, and its records quote what was sent.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
        # A trailing slash is another path here, and a 404.
        redirect_slashes=False,
        exception_handlers={HTTPException: _unrouted},
    )
    app.state.facade = facade
    app.state.public_endpoint = facade.settings.public_endpoint
    # The routes themselves: of a router that is included FastAPI looks at the routes twice for each request.
    for router in (
        versions.router,
        attachments.router,
        volumes.router,
        metadata.router,
        actions.router,
        type_routes.router,
        side_routes.router,
    ):
        app.routes.extend(router.routes)
    app.openapi = lambda: _document_once(app)  # type: ignore[method-assign]
    return Envelope(Doorkeeper(Authentication(app, facade.authenticator), facade.settings.transport.client_rate))


def _document_once(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        app.openapi_schema = document(app)
    return app.openapi_schema


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    facade: Facade = app.state.facade
    mirroring = asyncio.create_task(facade.mirror.run(), name="mirror")
    try:
        yield
    finally:
        mirroring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await mirroring
        await facade.authenticator.close()


async def _unrouted(request: Request, error: Exception) -> Response:
    """Unknown paths and wrong methods are one thing in this API: 404, in the shape of the layer below it."""
    assert isinstance(error, HTTPException)
    if error.status_code in (404, 405):
        return Response(NOT_FOUND, 404, media_type=JSON)
    return Response(below_api(error.status_code, "Error", str(error.detail)), error.status_code, media_type=JSON)
