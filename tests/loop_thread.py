"""An event loop in a thread of its own, for what has to go on beside a test."""

import asyncio
import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future


class LoopThread(ABC):
    """Serves from a port of its own, and its subclass says what; `close` it at the end.

    Attributes:
        port: on loopback.
    """

    def __init__(self, name: str) -> None:
        """Begin to serve, in a thread of that name; whatever `_serve` needs has to be there."""
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._listening: Future[int] = Future()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        self.port = self._listening.result()

    def close(self) -> None:
        """Break off and stop listening."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()

    def cut(self) -> None:
        """Break off what is being forwarded; whatever comes next is taken at once."""
        asyncio.run_coroutine_threadsafe(self._break_off(), self._loop).result()

    @abstractmethod
    async def _serve(self) -> None:
        """Listen, tell `_listening` the port, and stop when `_ended` is set. What is forwarded is among `_tasks`."""

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._ended = asyncio.Event()
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _break_off(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
