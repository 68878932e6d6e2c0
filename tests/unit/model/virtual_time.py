"""An event loop whose clock stands still until a test moves it, and which never waits for anything real."""

import asyncio
import selectors
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

START = datetime(2030, 1, 1, tzinfo=UTC)
"""What a `LoopClock` shows when a loop begins."""


class _NeverWaits(selectors.SelectSelector):
    """Tells when the loop would wait, instead of waiting."""

    loop: "VirtualTimeLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout > 0:
            self.loop.idle(timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Runs what is ready and stops; time passes only in `advance`."""

    def __init__(self, *, time: float = 0.0) -> None:
        selector = _NeverWaits()
        super().__init__(selector)
        selector.loop = self
        self._time = time
        self.next_timer: float | None = None
        """Seconds to the next timer, when everything waits."""

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._time

    def idle(self, until_timer: float | None) -> None:
        """Nothing is ready; the next timer is due in that many seconds (None: there is none)."""
        self.next_timer = until_timer
        self.stop()

    def settle(self) -> None:
        """Run until everything waits."""
        self.run_forever()

    def advance(self, seconds: float) -> None:
        """Let that much time pass; each timer fires at its own moment."""
        end = self._time + seconds
        self.settle()
        while self.next_timer is not None and self._time + self.next_timer <= end:
            self._time += self.next_timer
            self.settle()
        self._time = max(self._time, end)

    def jump(self, seconds: float) -> None:
        """Let time pass without noticing; timers are overdue afterwards."""
        self._time += seconds

    def finish(self) -> None:
        """Cancel whatever is left and close."""
        for task in asyncio.all_tasks(self):
            task.cancel()
        self.settle()
        self.close()


class LoopClock:
    """Stands in for `datetime` where a module asks it for the present: tells the running loop's time."""

    @staticmethod
    def now(zone: tzinfo | None = None) -> datetime:
        """The time of the running loop."""
        return (START + timedelta(seconds=asyncio.get_running_loop().time())).astimezone(zone)


def run(coroutine: Any) -> Any:
    """Run a coroutine on a loop of its own, moving time whenever everything waits for it."""
    loop = VirtualTimeLoop()
    try:
        task = loop.create_task(coroutine)
        loop.settle()
        while not task.done():
            if loop.next_timer is None:
                raise AssertionError("everything waits, and for no point in time")
            loop.advance(loop.next_timer)
        return task.result()
    finally:
        loop.finish()
