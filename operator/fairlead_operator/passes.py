"""The loop of every pass over an object: gather what is, ask the core for the next step, do it, and again."""

import abc
import dataclasses
import logging
from datetime import datetime
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from fairlead_kube.errors import Conflict, NotFound
from fairlead_operator.core import steps
from fairlead_operator.core.facts import Failure
from fairlead_operator.drivers.base import Fenced
from fairlead_operator.queue import Again
from fairlead_operator.tenure import EFFECT_ERRORS, Service, failure_of, passes_by_itself
from fairlead_operator.view import Key

_log = logging.getLogger(__name__)

_QUIET_FAILURES = 3
"""Failures in a row of the kind that passes by itself, before they are worth a status write."""


class Facts(Protocol):
    """What every decision rests on besides the object: the time."""

    @property
    def now(self) -> datetime:
        """When the facts were gathered."""


F = TypeVar("F", bound=Facts)
D = TypeVar("D")


class Reconciler(abc.ABC, Generic[F, D]):
    """Brings objects of one kind, on one Backend, as far as they can go.

    `F` is what a decision rests on, `D` what a pass has done so far: a crash forgets it and the steps are repeated.
    """

    most_steps: ClassVar[int]
    """Most steps in one pass. More means that the core and the world disagree for good."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def reconcile(self, key: Key) -> None:
        """Make one pass.

        Raises:
            Again: when the object must be looked at again later.
            LostLease: somebody else is in charge.
        """
        done, failure = self.begin(), None
        for _ in range(self.most_steps):
            facts = await self.gather(key, done, failure)
            if facts is None:
                return
            step, failure = self.decide(facts), None
            _log.debug("%s: %s", key, step)
            try:
                if isinstance(step, steps.Wait):
                    self._wait(key, step, facts.now)
                    return
                # What a deposed holder knows of the exports was true in its time: it must not write that down either.
                self._service.assert_lease()
                done = await self.perform(facts, step, done)
                if getattr(step, "retry", False):
                    raise Again
            except (Conflict, NotFound):
                # Ours was an old version: read and decide again. What was done outside stays done.
                await self.refresh(key, facts, step)
            except Fenced:
                # Another holder is in charge; the election will end this tenure in a moment.
                _log.warning("%s: %s did not happen: fenced", key, type(step).__name__)
                raise Again(1.0) from None
            except EFFECT_ERRORS as error:
                tries = self._service.queue.failures(key) + 1
                if passes_by_itself(error) and tries <= _QUIET_FAILURES:
                    raise Again from error
                failure = dataclasses.replace(failure_of(error), tries=tries)
                _log.warning("%s: %s: %s", key, type(step).__name__, failure.message)
        raise Again

    def _wait(self, key: Key, step: steps.Wait, now: datetime) -> None:
        if step.retry:
            raise Again
        if step.until is not None:
            self._service.queue.add_after(key, (step.until - now).total_seconds())

    @abc.abstractmethod
    def begin(self) -> D:
        """Nothing done yet."""

    @abc.abstractmethod
    async def gather(self, key: Key, done: D, failure: Failure | None) -> F | None:
        """Read what is; None when the object is gone or somebody else's."""

    @abc.abstractmethod
    def decide(self, facts: F) -> Any:
        """Ask the core for the next step."""

    @abc.abstractmethod
    async def perform(self, facts: F, step: Any, done: D) -> D:
        """Do it, and return what is done by now."""

    @abc.abstractmethod
    async def refresh(self, key: Key, facts: F, step: Any) -> None:
        """Have a newer version of what that step would have written, or read it live."""
