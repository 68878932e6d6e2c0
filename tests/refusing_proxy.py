"""An HTTP way to the API server on which requests can be refused as those of nobody it knows (401)."""

import asyncio
import ssl

import aiohttp
from aiohttp import web

from loop_thread import LoopThread

_OF_A_CONNECTION = {"host", "connection", "keep-alive", "transfer-encoding", "content-length"}
"""Headers that each of the two connections has for itself, in small letters."""


class RefusingProxy(LoopThread):
    """Forwards requests to a server.

    Attributes:
        url: of the server, by this proxy.
        refused: how many requests were.
    """

    def __init__(self, server: str, certificate: str) -> None:
        """Begin to forward to the URL `server`, which shows a certificate of that authority (PEM)."""
        self.refused = 0
        self._server = server
        self._ssl = ssl.create_default_context(cadata=certificate)
        self._refuses = False
        super().__init__(f"proxy to {server}")
        self.url = f"http://127.0.0.1:{self.port}"

    def refuse(self) -> None:
        """Refuse from now on; what is being answered, such as a watch, ends."""
        self._refuses = True
        self.cut()

    def admit(self) -> None:
        """Forward again."""
        self._refuses = False

    async def _serve(self) -> None:
        application = web.Application(client_max_size=1 << 24)
        application.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(application, shutdown_timeout=0.0)
        await runner.setup()
        timeout = aiohttp.ClientTimeout(total=None)
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as self._session:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._listening.set_result(runner.addresses[0][1])
            await self._ended.wait()
            await self._break_off()
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self._refuses:
            self.refused += 1
            status = {"kind": "Status", "reason": "Unauthorized", "message": "Unauthorized", "code": 401}
            return web.json_response(status, status=401)
        response = web.StreamResponse()
        task = asyncio.create_task(self._forward_until_broken(request, response))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task])
        if not response.prepared:
            return web.Response(status=502)
        return response

    async def _forward_until_broken(self, request: web.Request, response: web.StreamResponse) -> None:
        try:
            await self._forward(request, response)
        except (aiohttp.ClientError, ConnectionError):
            # Whichever end is gone, the other one learns of it as of a cut wire.
            if request.transport is not None:
                request.transport.abort()

    async def _forward(self, request: web.Request, response: web.StreamResponse) -> None:
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _OF_A_CONNECTION]
        url = self._server + request.raw_path
        body = await request.read()
        async with self._session.request(request.method, url, headers=headers, data=body or None) as answer:
            response.set_status(answer.status, answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in _OF_A_CONNECTION:
                    response.headers.add(name, value)
            await response.prepare(request)
            async for data in answer.content.iter_any():
                await response.write(data)
