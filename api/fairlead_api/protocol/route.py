"""The route class of the API layer: the fixed order in which every request is looked at.

Microversion header, content type, JSON, body where none may be, the endpoint's minimum microversion; then the
endpoint. A JSON error is therefore a 400 even below the minimum, as in the real service. Faults become answers here,
with the headers that every answer of this layer has.
"""

import inspect
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import to_json

from fairlead_api.protocol import body as bodies
from fairlead_api.protocol import microversion
from fairlead_api.protocol.envelope import Exchange, exchange_of
from fairlead_api.protocol.faults import BadRequest, Fault, NotFound, from_kube
from fairlead_api.protocol.microversion import Microversion, VersionRefused
from fairlead_kube.errors import KubeError

MINIMUM_KEY: Final = "x-openstack-min-version"
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE"})

_log = logging.getLogger(__name__)


def since(version: Microversion, **more: Any) -> dict[str, Any]:
    """`openapi_extra` of a route that exists from this microversion on; the route enforces what it documents."""
    return {MINIMUM_KEY: str(version), **more}


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the API layer understood it.

    Attributes:
        version: the microversion it is served at.
        body: the JSON value, or `bodies.ABSENT`.
        query: the query's pairs, in order.
        project_segment: the project named in the URL, if any.
        base_url: scheme and host the caller used, or the configured public endpoint; without trailing slash.
        content_type: of answers.
        exchange: the request as the outermost layer knows it.
    """

    version: Microversion
    body: Any
    query: tuple[tuple[str, str], ...]
    project_segment: str | None
    base_url: str
    content_type: str
    exchange: Exchange

    def action(self, known: Mapping[str, Microversion]) -> str:
        """Return the action that the body names, by its one key.

        Args:
            known: the actions there are, and since when.

        Raises:
            BadRequest: the body is not one key, or names no action.
            NotFound: the action came with a later microversion.
        """
        if isinstance(self.body, bodies.Absent):
            raise _no_action("None")
        if not isinstance(self.body, dict) or len(self.body) != 1:
            raise BadRequest("Malformed request body")
        name = str(next(iter(self.body)))
        if name not in known:
            raise _no_action(name)
        self.exchange.action = name
        if self.version < known[name]:
            raise NotFound()
        return name

    @property
    def action_name(self) -> str | None:
        """The body's one key, whether or not it names an action."""
        return str(next(iter(self.body))) if isinstance(self.body, dict) and len(self.body) == 1 else None

    def answer(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """A JSON answer."""
        return Response(to_json(value), status, headers, media_type=self.content_type)

    def empty(self, status: int) -> Response:
        """An answer without a body, which still has a content type in this API."""
        return Response(b"", status, {"Content-Length": "0"}, media_type=self.content_type)


def _no_action(name: str) -> BadRequest:
    return BadRequest(
        f"There is no such action: {name}. Verify the request body and Content-Type header and try again."
    )


class ApiRoute(APIRoute):
    """A route of the API layer. Its endpoint takes `request` and the path's parameters, as text, and nothing else."""

    async def admit(self, request: Request, call: Call) -> Request:
        """Return the request as the endpoint gets it.

        Raises:
            Fault: it does not get it.
        """
        raise NotImplementedError

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Call the endpoint as it is: FastAPI's own handler looks for dependencies, bodies and more, which none has.

        Raises:
            TypeError: the endpoint takes something else.
        """
        serve: Callable[..., Coroutine[Any, Any, Response]] = self.endpoint
        if inspect.signature(serve).parameters.keys() != {"request", *self.param_convertors}:
            raise TypeError(f"{self.path}: its endpoint takes the request and what is in the path, and nothing else")
        minimum = Microversion.parse((self.openapi_extra or {}).get(MINIMUM_KEY, str(microversion.MINIMUM)))

        async def handler(request: Request) -> Response:
            version: Microversion | None = None
            try:
                version = microversion.negotiate(request.headers.get(microversion.HEADER))
                exchange_of(request.scope).version = version
                call = await _understand(request, version)
                if version < minimum:
                    raise NotFound()
                if request.method in _BODILESS and not isinstance(call.body, bodies.Absent):
                    raise BadRequest()
                response = await serve(request=await self.admit(request, call), **request.path_params)
            except VersionRefused as refused:
                # The real service leaves the header out for 2.0, an API that it once had.
                version = refused.asked if refused.asked != Microversion(2, 0) else None
                response = fault_response(refused, request)
            except Fault as fault:
                response = fault_response(fault, request)
            except KubeError as error:
                refusal = from_kube(error)
                if refusal.status >= 500:
                    _log.error("%s: %s", exchange_of(request.scope).request_id, error)
                response = fault_response(refusal, request)
            except UnicodeError:
                response = fault_response(BadRequest(), request)
            except Exception:
                _log.exception("%s failed", exchange_of(request.scope).request_id)
                response = fault_response(Fault(), request)
            response.headers["x-compute-request-id"] = exchange_of(request.scope).request_id
            if version is not None:
                response.headers[microversion.HEADER] = f"{microversion.SERVICE} {version}"
                response.headers["Vary"] = microversion.HEADER
            return response

        return handler


async def _understand(request: Request, version: Microversion) -> Call:
    headers = request.headers
    content = await request.body()
    query = request.scope["query_string"].decode("latin-1")
    return Call(
        version=version,
        body=bodies.decode(content, headers.get("content-type")),
        query=tuple(parse_qsl(query, keep_blank_values=True)) if query else (),
        project_segment=exchange_of(request.scope).project_segment,
        base_url=base_url(request),
        content_type=bodies.answer_type(headers.get("accept")),
        exchange=exchange_of(request.scope),
    )


def base_url(request: Request) -> str:
    """Scheme and host for links: the configured public endpoint, else what the caller used."""
    public: str | None = request.app.state.public_endpoint
    return public or f"{request.scope['scheme']}://{request.headers.get('host', 'localhost')}"


def fault_response(fault: Fault, request: Request) -> Response:
    """The answer that a fault is."""
    return Response(fault.content(), fault.status, media_type=bodies.answer_type(request.headers.get("accept")))
