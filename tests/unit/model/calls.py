"""Messages between a process and what is outside of it: each arrives when the test says so, and so does its answer."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fairlead_kube.errors import Unavailable
from fairlead_operator.drivers.base import DriverUnavailable, UnknownOutcome

if TYPE_CHECKING:
    from unit.model.process import Process

_numbers = itertools.count()


@dataclass(eq=False, kw_only=True)
class Call:
    """A message under way.

    Attributes:
        process: who sent it.
        to: `api` or `array`.
        name: what it asks, for people.
        arrive: has the effect and returns or raises the answer.
        changes: it is more than a question.
        epoch: in which it was sent (array only).
        half: has a part of the effect, as a crash in the middle would.
        refusal: what the answer raises, if it does.
        answer: to be called to give the answer; None until it has arrived.
    """

    process: "Process"
    to: str
    name: str
    arrive: Callable[[], Any]
    changes: bool
    epoch: str | None = None
    half: Callable[[], Any] | None = None
    future: "asyncio.Future[Any]"
    answer: Callable[[], None] | None = None
    refusal: Exception | None = None
    number: int = field(default_factory=lambda: next(_numbers))

    def __str__(self) -> str:
        return f"{self.process.name}: {self.name}"

    def perform(self) -> None:
        """It arrives; the answer is on its way."""
        self.settle_as(self.arrive)

    def perform_half(self) -> None:
        """Half of it happens, and no answer comes."""
        assert self.half is not None
        half = self.half

        def arrive() -> None:
            half()
            raise self.lost()

        self.settle_as(arrive)

    def perform_unheard(self) -> None:
        """It arrives, but the answer is lost."""

        def arrive() -> None:
            self.arrive()
            raise self.lost()

        self.settle_as(arrive)

    def refuse(self, error: Exception) -> None:
        """It does not arrive, or is refused; nothing happened."""

        def arrive() -> None:
            raise error

        self.settle_as(arrive)

    def settle_as(self, arrive: Callable[[], Any]) -> None:
        """Take the outcome of `arrive` as the answer."""
        future = self.future
        try:
            outcome = arrive()
        except Exception as failure:
            self.refusal = error = failure
            self.answer = lambda: future.done() or future.set_exception(error)
        else:
            self.answer = lambda: future.done() or future.set_result(outcome)

    def lost(self) -> Exception:
        """What the sender is told when no answer comes."""
        if self.to == "api":
            return Unavailable(0, "Unavailable", f"{self.name}: no answer")
        return (UnknownOutcome if self.changes else DriverUnavailable)(f"{self.name}: no answer")

    def unreachable(self) -> Exception:
        """What the sender is told when it cannot even be sent."""
        if self.to == "api":
            return Unavailable(0, "Unavailable", f"{self.name}: connection refused")
        return DriverUnavailable(f"{self.name}: connection refused")


async def transmit(
    to: str,
    name: str,
    arrive: Callable[[], Any],
    *,
    changes: bool,
    epoch: str | None = None,
    half: Callable[[], Any] | None = None,
) -> Any:
    """Send a message from the process whose loop this is, and wait for the answer."""
    loop = asyncio.get_running_loop()
    process: Process = loop.process  # type: ignore[attr-defined]
    call = Call(
        process=process,
        to=to,
        name=name,
        arrive=arrive,
        changes=changes,
        epoch=epoch,
        half=half,
        future=loop.create_future(),
    )
    process.in_flight.append(call)
    try:
        return await call.future
    except asyncio.CancelledError:
        # Whoever gives up waiting has sent it all the same.
        process.give_up(call)
        raise
