"""Which fault comes when: drawn from a seed, so that a run can be repeated with the same ones."""

import enum
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


class Fault(enum.StrEnum):
    """Everything that is done to the processes and their connections."""

    OPERATOR_KILL = "operator: kill -9"
    OPERATOR_STOP = "operator: SIGSTOP, SIGCONT"
    OPERATOR_TERM = "operator: SIGTERM"
    WATCH_CUT = "operator: every connection cut"
    PARTITION = "operator: no word from the API server"
    FACADE_KILL = "facade: kill -9"
    FACADE_STOP = "facade: SIGSTOP, SIGCONT"
    FACADE_TERM = "facade: SIGTERM"
    TGTD_KILL = "tgtd: kill -9"
    TGTD_STOP = "tgtd: SIGSTOP, SIGCONT"
    API_SERVER_KILL = "kube-apiserver: kill -9"
    API_SERVER_STOP = "kube-apiserver: SIGSTOP, SIGCONT"
    API_SERVER_TERM = "kube-apiserver: SIGTERM"
    ETCD_KILL = "etcd: kill -9"
    ETCD_STOP = "etcd: SIGSTOP, SIGCONT"
    ETCD_TERM = "etcd: SIGTERM"


@dataclass(frozen=True, kw_only=True)
class Happening:
    """One fault.

    Attributes:
        fault: what is done.
        victim: 0 or 1: which of two operators, facades or Backends.
        after: seconds of peace before it.
        lasting: seconds until the victim is continued, started again or connected again.
    """

    fault: Fault
    victim: int
    after: float
    lasting: float


OPERATORS = (Fault.OPERATOR_KILL, Fault.OPERATOR_STOP, Fault.OPERATOR_TERM, Fault.WATCH_CUT, Fault.PARTITION)
FACADES = (Fault.FACADE_KILL, Fault.FACADE_STOP, Fault.FACADE_TERM)
STORAGE = (Fault.TGTD_KILL, Fault.TGTD_STOP)
CONTROL_PLANE = (
    *(Fault.API_SERVER_KILL, Fault.API_SERVER_STOP, Fault.API_SERVER_TERM),
    *(Fault.ETCD_KILL, Fault.ETCD_STOP, Fault.ETCD_TERM),
)

LANES: dict[str, Sequence[Fault]] = {
    "operators": OPERATORS,
    "facades": FACADES,
    "storage": STORAGE,
    "control-plane": CONTROL_PLANE,
}
"""Lanes run side by side, so faults of different lanes overlap; those of one lane come one after the other."""

_LASTING = {
    Fault.OPERATOR_STOP: (0.5, 7.0),
    Fault.PARTITION: (1.0, 7.0),
    Fault.TGTD_STOP: (0.5, 8.0),
    Fault.FACADE_STOP: (0.5, 8.0),
    Fault.API_SERVER_STOP: (0.5, 5.0),
    Fault.ETCD_STOP: (0.5, 4.0),
}
_DEAD_FOR = (0.0, 3.0)
"""Seconds until what was killed is started again."""

_PEACE = {"operators": (0.5, 6.0), "facades": (2.0, 10.0), "storage": (1.0, 10.0), "control-plane": (3.0, 12.0)}
"""Where nothing ever works there is nothing to break."""


def happenings(seed: str, lane: str) -> Iterator[Happening]:
    """Draw one lane's faults without end: every kind once, in random order, before any comes again."""
    chance = random.Random(f"{seed}/{lane}")
    while True:
        for fault in chance.sample(LANES[lane], len(LANES[lane])):
            yield Happening(
                fault=fault,
                victim=chance.randrange(2),
                after=chance.uniform(*_PEACE[lane]),
                lasting=chance.uniform(*_LASTING.get(fault, _DEAD_FOR)),
            )
