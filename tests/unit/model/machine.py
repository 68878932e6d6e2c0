"""The rules of the simulated world. Bound here, because what can happen is only known when its classes are complete."""

from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from unit.model.faults import Faults
from unit.model.happenings import THEN, Happening, happenings
from unit.model.people import DOORS
from unit.model.process import SHARDED


class AnyLife(Faults):
    """Two operators, one array, and people who do as they please."""

    @initialize(multi=st.booleans(), door=DOORS, then=THEN)
    def begin(self, multi: bool, door: str, then: int) -> None:
        self.create_volume(name="v1", multi=False, keep=False, door=door, legacy=1)
        self.create_volume(name="v2", multi=multi, keep=True, door=door, legacy=1)
        self.go_on(then)

    @rule(happening=happenings("ordinary"), then=THEN)
    def ordinary(self, happening: Happening, then: int) -> None:
        self.happens(happening, then)

    @rule(happening=happenings("astray"), then=THEN)
    def astray(self, happening: Happening, then: int) -> None:
        self.happens(happening, then)

    @rule(happening=happenings("trouble"), then=THEN)
    def trouble(self, happening: Happening, then: int) -> None:
        self.happens(happening, then)


class ShardedLife(AnyLife):
    """The same, where two operators see only what carries the Backend's label, and two others put it on."""

    kinds = SHARDED
