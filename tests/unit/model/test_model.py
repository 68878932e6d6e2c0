"""The life cycles in a simulated world: whatever happens, in whatever order, the promises hold.

See docs/model.md for what is simulated, what is promised, and how to replay a failure.
"""

import logging
import os
import random
import sys

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from unit.model.machine import AnyLife, ShardedLife

_LIVES = 160
LIVES = int(os.environ.get("FAIRLEAD_MODEL_LIVES", str(_LIVES)))
EVENTS = int(os.environ.get("FAIRLEAD_MODEL_EVENTS", "80"))
SEED = os.environ.get("FAIRLEAD_MODEL_SEED", "1")
"""`random`: another one each time."""

FEWEST_STEPS = 10_000
ROUNDS = 6
"""How often that many lives are tried, each time from the next seed, until every kind of event has come up."""


@pytest.mark.usefixtures("simulated")
@pytest.mark.parametrize("life", [AnyLife, ShardedLife])
def test_the_promises_hold_whatever_happens(life: type[AnyLife], capsys: pytest.CaptureFixture[str]) -> None:
    """Matrix: operators that do everything, or divide it x what people do x what goes astray x what dies, stops or is
    replaced, in any order.

    Fails too when some kind of event never came up, so that a run that tried little does not count. Which ones come up
    from one seed changes with every module that is loaded: Hypothesis picks constants out of them.
    """
    number = random.SystemRandom().randrange(10**6) if SEED == "random" else int(SEED)
    life.counts.clear()
    life.steps = 0
    how = settings(
        max_examples=LIVES,
        stateful_step_count=EVENTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    logging.getLogger("fairlead_operator").propagate = False
    missing = sorted(EXPECTED)
    try:
        for round_ in range(ROUNDS):
            run_state_machine_as_test(seed(number + round_)(life), settings=how)
            missing = sorted(EXPECTED - {name for name, count in life.counts.items() if count})
            if not missing:
                break
    finally:
        logging.getLogger("fairlead_operator").propagate = True
        with capsys.disabled():
            _report(life, number)
    assert not missing, f"never came up with {ROUNDS} seeds from {number}: {missing}"
    assert LIVES < _LIVES or life.steps >= FEWEST_STEPS, f"only {life.steps} steps"


def _report(life: type[AnyLife], number: int) -> None:
    counts = life.counts
    out = [f"\nmodel: {life.__name__}, seed {number}, {life.steps} steps"]
    out += [f"  {counts[name]:7d}  {name}" for name in sorted(counts)]
    print("\n".join(out), file=sys.stderr, flush=True)


EXPECTED = {
    # What people do
    "create volume by kubectl",
    "create volume by rest",
    "change volume",
    "delete volume",
    "create attachment by kubectl",
    "create attachment by rest",
    "connector changed",
    "connector cleared",
    "change access mode",
    "asked who is logged in",
    "migration begun",
    "complete",
    "delete attachment",
    "finalizer of attachments torn off",
    "finalizer of volumes torn off",
    "label of attachments torn off",
    "label of volumes torn off",
    "change node",
    "delete node",
    "node appears",
    "node is out of service",
    "node goes",
    # What the operator makes of it
    "admitted",
    "shared by multi-attach",
    "shared for a migration",
    "exported",
    "rejected VolumeInUse",
    "rejected VolumeDeleted",
    "expired",
    "given up with its node",
    "refused one removed",
    "released",
    "finalized",
    "take-over at rest",
    "told that sessions are Live",
    "told that sessions are None",
    "told that sessions are Unknown",
    # What goes astray
    "call arrived, answer under way",
    "answer of the api lost",
    "answer of the array lost",
    "request to the api lost",
    "request to the array lost",
    "export half made",
    "array refused",
    "late arrival at the api",
    "late arrival at the array",
    "watch lost",
    # What dies, stops or is replaced
    "restored without status",
    "operator killed",
    "operator killed after an effect",
    "operator started",
    "operator stopped",
    "operator continued",
    "holder stopped in the act",
    "take-over",
    "take-over from one still at work",
    "deposed holder noticed",
    "a fenced holder's call was refused",
    "tenure ended by itself",
    "daemon down",
    "daemon up",
    "daemon restarted",
    "export altered by hand",
    "login",
    "logout",
    "a short while passes",
    "a long while passes",
}
