"""A TCP way to a server that can be cut, or go silent while it stays connected."""

import asyncio
import json

import yaml

from fairlead_crds import names
from fairlead_devstack.stack import Stack
from loop_thread import LoopThread


class Wire(LoopThread):
    """Forwards connections to a server's port; they are what `cut` breaks off.

    Attributes:
        url: of the API server, by this wire.
    """

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._plugged = True
        super().__init__(f"wire to {server_port}")
        self.url = f"https://127.0.0.1:{self.port}"

    def unplug(self) -> None:
        """Break every connection off, and new ones as soon as they are made, until `restore`."""
        self._plugged = False
        self.cut()

    def silence(self) -> None:
        """Forward nothing any more. Connections stay, and new ones are taken and left without an answer."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def restore(self) -> None:
        """Forward again, what was held back included."""
        self._plugged = True
        self._loop.call_soon_threadsafe(self._flowing.set)

    async def _serve(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._listening.set_result(server.sockets[0].getsockname()[1])
        await self._ended.wait()
        server.close()
        await self._break_off()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        far = None
        try:
            if not self._plugged:
                return
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._server_port)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(reader, far))
                both.create_task(self._pump(far_reader, writer))
        except (asyncio.CancelledError, OSError, ExceptionGroup):
            # Whatever ended it, both ends learn of it below; a cut wire tells nobody why.
            pass
        finally:
            self._tasks.discard(task)
            for end in (writer, far):
                if end is not None:
                    end.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(1 << 16):
            await self._flowing.wait()
            sink.write(data)
            await sink.drain()
        raise ConnectionError("one end is gone")


def by_way_of(url: str, stack: Stack, name: str, *, account: str = names.OPERATOR_ACCOUNT) -> tuple[str, ...]:
    """Return the launcher of a process that reaches the API server at that URL only, as one of our accounts."""
    document = yaml.safe_load(stack.kubeconfig_of(account).read_text())
    document["clusters"][0]["cluster"]["server"] = url
    path = stack.folder / f"{name}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))
    return ("env", f"KUBECONFIG={path}")
