"""Something happens, then the world goes on a little: the frame into which people and faults put their events."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from fairlead_operator.settings import Settings
from unit.model.calls import Call
from unit.model.process import ALONE
from unit.model.world import World

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., None])

WHICH = st.integers(0, 999)
"""Chooses among whatever there is at that moment."""
THEN = st.integers(0, 2**24 - 1)
"""How far the world goes on, and whose turn it is each time; see `Life.go_on`."""


class Happening(NamedTuple):
    """Something that happens: the method of `Life` that makes it happen, and how."""

    name: str
    how: Mapping[str, Any]


_CHOICES: dict[str, st.SearchStrategy[dict[str, Any]]] = {}
_GROUPS: dict[str, list[str]] = {"ordinary": [], "astray": [], "trouble": []}


def event(group: str, *, weight: int = 1, **choices: st.SearchStrategy[Any]) -> Callable[[F], F]:
    """Add a method to what can happen, `weight` times as often as others of its group.

    Hypothesis leaves whole groups out of some lives, never single events: a life without, say, any Attachment would be
    a waste.
    """

    def register(method: F) -> F:
        _CHOICES[method.__name__] = st.fixed_dictionaries(choices)
        _GROUPS[group] += [method.__name__] * weight
        return method

    return register


def happenings(group: str) -> st.SearchStrategy[Happening]:
    """Anything of that group."""
    return st.sampled_from(_GROUPS[group]).flatmap(lambda name: st.builds(Happening, st.just(name), _CHOICES[name]))


class Life(RuleBasedStateMachine):
    """A world and what happens in it."""

    counts: ClassVar[Counter[str]] = Counter()
    """What has happened, over all examples of a run."""

    steps = 0

    kinds: ClassVar[Sequence[Settings]] = ALONE
    """What the operator processes are told to do."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.counts, self.kinds)
        self.age = 0

    def happens(self, happening: Happening, then: int) -> None:
        """Make it happen, and let the world go on."""
        getattr(self, happening.name)(**happening.how)
        self.go_on(then)

    def teardown(self) -> None:
        """Every life ends at rest."""
        try:
            self.world.come_to_rest()
            self.world.promises.check_at_rest()
        finally:
            self.world.close()

    @invariant()
    def promises_hold(self) -> None:
        type(self).steps += 1
        self.age += 1
        self.world.promises.check()

    def pick(self, which: int, among: Sequence[T]) -> T | None:
        return among[which % len(among)] if among else None

    def go_on(self, then: int) -> None:
        """Up to ten answers and watch events, mostly the oldest first."""
        then, count = divmod(then, 11)
        for _ in range(count):
            then, turn = divmod(then, 4)
            news, calls = self.world.news, self.world.calls
            pending: list[Any] = [*calls, *news] if turn % 2 else [*news, *calls]
            if not pending:
                return
            type(self).steps += 1
            found = pending[0 if turn < 3 else -1]
            if isinstance(found, Call):
                self.counts["call served"] += 1
                self.world.serve(found)
            else:
                self.counts["watch event"] += 1
                found[0].watch(found[1])
