"""A thin async client of the Kubernetes API: typed objects in, typed objects out, errors with meaning.

Configuration (kubeconfig, in-cluster account, exec plugins) is the official client's; the transport is one pooled
aiohttp session, because a generated client costs more per call than the API server does.
"""

import asyncio
import inspect
import json
import os
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import aiohttp
import pydantic_core
from kubernetes.aio import config as kube_config
from kubernetes.aio.client import Configuration

from fairlead_kube.endpoints import NAMESPACES, Endpoint
from fairlead_kube.errors import Forbidden, KubeError, Unavailable, from_status
from fairlead_kube.turns import in_turns

T = TypeVar("T")

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

OnAnswer = Callable[[str, str, int, float], None]
"""Told of each request, watches aside: method, path, status (0: no answer came), seconds. From the client's thread."""

Known = Callable[[Mapping[str, Any]], T | None]
"""Returns the object that a body is, if it need not be read again."""

REQUEST_TIMEOUT = 15.0
"""Seconds for one ordinary request. Longer than etcd's worst honest pause, shorter than a caller's patience."""


@dataclass(frozen=True)
class Listing(Generic[T]):
    """A list as of one moment."""

    items: Sequence[T]
    resource_version: str


class KubeClient:
    """Talks to one API server as one identity. Use as an async context manager.

    Attributes:
        namespaces: those that this client is held to, because it has rights in no others; empty: none in particular.
        streams_lists: whether the API server can stream lists; None until it was asked (see `fairlead_kube.watching`).
    """

    namespaces: tuple[str, ...] = ()
    streams_lists: bool | None = None

    def __init__(
        self,
        configuration: Configuration,
        *,
        agent: str = "fairlead",
        connections: int = 64,
        on_answer: OnAnswer | None = None,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self.namespaces = namespaces
        # What stands before the slash is also the name under which the API server notes who owns a field.
        self._agent = f"{agent}/{version('fairlead')}"
        self._configuration = configuration
        self._on_answer = on_answer
        context = ssl.create_default_context(cafile=configuration.ssl_ca_cert, cadata=configuration.ca_cert_data)
        if configuration.cert_file:
            context.load_cert_chain(configuration.cert_file, configuration.key_file)
        if not configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        # A cluster's own CA often lacks the extensions that Python 3.13 began to demand.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._ssl = context
        self._limit = connections
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    async def from_environment(
        cls,
        agent: str,
        *,
        connections: int = 64,
        on_answer: OnAnswer | None = None,
        namespaces: tuple[str, ...] = (),
    ) -> Self:
        """Configure from `$KUBECONFIG`, the pod's ServiceAccount, or the user's own kubeconfig, in this order.

        `agent` is the program's name, for the API server's audit log and its notes of who owns a field.

        Raises:
            ConfigException: none of them is usable.
        """
        configuration = Configuration()
        path = os.environ.get("KUBECONFIG")
        if path:
            await _load(kube_config.load_kube_config, config_file=path, client_configuration=configuration)
        elif "KUBERNETES_SERVICE_HOST" in os.environ:
            await _load(kube_config.load_incluster_config, client_configuration=configuration)
        else:
            await _load(kube_config.load_kube_config, client_configuration=configuration)
        return cls(configuration, agent=agent, connections=connections, on_answer=on_answer, namespaces=namespaces)

    @classmethod
    async def from_kubeconfig(cls, path: Path | str, *, connections: int = 64) -> Self:
        """Configure from that kubeconfig file."""
        configuration = Configuration()
        await _load(kube_config.load_kube_config, config_file=str(path), client_configuration=configuration)
        return cls(configuration, connections=connections)

    async def __aenter__(self) -> Self:
        self._session = self._open(self._limit)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._session is not None
        await self._session.close()

    @property
    def server(self) -> str:
        """The API server's URL."""
        host: str = self._configuration.host
        return host

    def session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Open a session of its own for a library that wants one: the same server and identity. The caller closes it.

        Args:
            middlewares: that its requests pass through, the first one first.
        """

        async def identify(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.headers.update(await self._headers({}))
            return await handler(request)

        return self._open(0, (*middlewares, identify))

    def _open(self, limit: int, middlewares: tuple[aiohttp.ClientMiddlewareType, ...] = ()) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            base_url=self.server,
            connector=aiohttp.TCPConnector(limit=limit, ssl=self._ssl, keepalive_timeout=60),
            headers={"User-Agent": self._agent},
            middlewares=middlewares,
        )

    async def _headers(self, more: Mapping[str, str]) -> dict[str, str]:
        # The API server compresses long answers otherwise, which takes it longer than sending them.
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **more}
        token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        if token:
            headers["Authorization"] = token
        return headers

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        timeout: float = REQUEST_TIMEOUT,
    ) -> Any:
        """Send one request and return the decoded answer.

        Raises:
            KubeError: one of its subclasses, see `fairlead_kube.errors`.
        """
        assert self._session is not None, "use `async with` on the client"
        data = None if body is None else json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        more = {} if data is None else {"Content-Type": content_type}
        started, status = time.perf_counter(), 0
        try:
            async with self._session.request(
                method,
                path,
                params=params,
                data=data,
                headers=await self._headers({**more, **(headers or {})}),
                timeout=aiohttp.ClientTimeout(total=timeout),
            ) as response:
                content = await response.read()
                status = response.status
                answer = _decode(content, response.content_type)
                if response.status >= 400:
                    raise from_status(response.status, answer if isinstance(answer, Mapping) else None)
                return answer
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Unavailable(0, "Unavailable", f"{method} {path}: {error or type(error).__name__}") from error
        finally:
            if self._on_answer is not None:
                self._on_answer(method, path, status, time.perf_counter() - started)

    async def get(self, endpoint: Endpoint[T], name: str, namespace: str = "") -> T:
        """Read one object live, from a quorum of etcd."""
        return endpoint.parse(await self.request("GET", endpoint.path(namespace, name)))

    async def list(
        self,
        endpoint: Endpoint[T],
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        page: int = 500,
        known: Known[T] = lambda _: None,
    ) -> Listing[T]:
        """Read all objects live, page by page, as of one moment.

        `known` may return the object that a body is when we have it in that very version. A list so long that its pages
        expire (410) is read again by the caller's retry.

        Of a client that is held to namespaces, all objects are those in them, each namespace as of a moment of its own;
        the listing's version is then the oldest of them.
        """
        params = {"limit": str(page)}
        if label_selector:
            params["labelSelector"] = label_selector
        if field_selector:
            params["fieldSelector"] = field_selector
        if namespace or not endpoint.namespaced or not self.namespaces:
            return await self._list(endpoint, namespace, params, known)
        listings = [await self._list(endpoint, each, params, known) for each in self.namespaces]
        oldest = min((listing.resource_version for listing in listings), key=int)
        return Listing([item for listing in listings for item in listing.items], oldest)

    async def _list(
        self, endpoint: Endpoint[T], namespace: str, params: Mapping[str, str], known: Known[T]
    ) -> Listing[T]:
        try:
            return await self._list_pages(endpoint, namespace, dict(params), known)
        except Forbidden:
            # A namespace that goes takes our rights in it along, and everything else in it.
            if namespace in self.namespaces and (gone_as_of := await self._gone_as_of(namespace)) is not None:
                return Listing((), gone_as_of)
            raise

    async def _gone_as_of(self, namespace: str) -> str | None:
        """Return the version as of which there is no such namespace; None: there is one."""
        name = {"fieldSelector": f"metadata.name={namespace}"}
        found = await self._list_pages(NAMESPACES, "", name, lambda _: None)
        return None if found.items else found.resource_version

    async def _list_pages(
        self, endpoint: Endpoint[T], namespace: str, params: dict[str, str], known: Known[T]
    ) -> Listing[T]:
        items: list[T] = []
        while True:
            answer = await self.request("GET", endpoint.path(namespace), params=params, timeout=60)
            items += [known(item) or endpoint.parse(item) async for item in in_turns(answer["items"])]
            meta = answer["metadata"]
            if not meta.get("continue"):
                return Listing(items, str(meta["resourceVersion"]))
            params["continue"] = meta["continue"]

    async def create(self, endpoint: Endpoint[T], body: Mapping[str, Any], namespace: str = "") -> T:
        """Create an object; the body carries its name."""
        return endpoint.parse(await self.request("POST", endpoint.path(namespace), body=body))

    async def replace(self, endpoint: Endpoint[T], name: str, body: Mapping[str, Any], namespace: str = "") -> T:
        """Replace an object whole; the body's resourceVersion makes it a compare-and-swap."""
        return endpoint.parse(await self.request("PUT", endpoint.path(namespace, name), body=body))

    async def patch(
        self,
        endpoint: Endpoint[T],
        name: str,
        body: Any,
        namespace: str = "",
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
        params: Mapping[str, str] | None = None,
    ) -> T:
        """Patch an object or its subresource. A failing `test` of a JSON patch is an `Invalid`."""
        path = endpoint.path(namespace, name, subresource)
        return endpoint.parse(await self.request("PATCH", path, body=body, content_type=content_type, params=params))

    async def delete(
        self,
        endpoint: Endpoint[Any],
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> Mapping[str, Any]:
        """Ask for deletion, under preconditions when given, and return what the server answered."""
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1"}
        given = {key: value for key, value in preconditions.items() if value is not None}
        if given:
            body["preconditions"] = given
        answer: Mapping[str, Any] = await self.request("DELETE", endpoint.path(namespace, name), body=body)
        return answer

    async def lines(self, path: str, params: Mapping[str, str], *, silence: float) -> AsyncGenerator[bytes]:
        """Yield what a GET answers, line by line as it comes, until the server ends it.

        Args:
            path: of the resource.
            params: of the query.
            silence: seconds without a byte after which the connection counts as dead.

        Raises:
            KubeError: the server refuses.
            Unavailable: the connection broke or fell silent.
        """
        assert self._session is not None, "use `async with` on the client"
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=silence)
        try:
            async with self._session.get(
                path, params=params, headers=await self._headers({}), timeout=timeout
            ) as response:
                if response.status >= 400:
                    answer = _decode(await response.read(), response.content_type)
                    raise from_status(response.status, answer if isinstance(answer, Mapping) else None)
                async for line in _lines(response.content):
                    yield line
        except (aiohttp.ClientError, TimeoutError, ConnectionError, asyncio.IncompleteReadError) as error:
            raise Unavailable(0, "Unavailable", f"watch {path}: {error or type(error).__name__}") from error


async def _load(loader: Callable[..., Any], **options: Any) -> None:
    """Call one of the official client's loaders, which carry no types and are partly coroutines."""
    outcome = loader(**options)
    if inspect.isawaitable(outcome):
        await outcome


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream at newlines, however long a line is (aiohttp's own reader refuses lines over 64 KiB)."""
    rest = bytearray()
    async for chunk in stream.iter_any():
        rest += chunk
        if b"\n" in chunk:
            *whole, tail = bytes(rest).split(b"\n")
            rest = bytearray(tail)
            for line in whole:
                if line:
                    yield line


def _decode(content: bytes, content_type: str) -> Any:
    if not content:
        return None
    if content_type == "application/json":
        return pydantic_core.from_json(content)
    return {"message": content.decode(errors="replace")[:500]}


__all__ = ["APPLY_PATCH", "JSON_PATCH", "MERGE_PATCH", "KubeClient", "KubeError", "Listing", "OnAnswer"]
