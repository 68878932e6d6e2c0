"""The figures of a run: printed, judged, and kept for docs/reliability.md."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from chaos.history import History
from chaos.injector import Injector
from chaos.schedule import Fault

DOCS = Path(__file__).parents[2] / "docs"
KEPT = DOCS / "reliability.json"
PAGE = DOCS / "reliability.md"
_RUNS = 8
"""How many runs are kept."""

_BEGIN, _END = "<!-- begin: written by make chaos -->", "<!-- end: written by make chaos -->"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What happened in one run. Times in seconds.

    Attributes:
        operations: answered requests that did what they asked, by door and name.
        conflicts: requests that lost against another holder.
        unknown: requests whose outcome their client was not told.
        faults: by kind.
        logins: tried, `accepted` and `refused`.
        reads: that succeeded in sessions which were kept.
        exits: processes that ended by themselves.
        healing: from the last fault until every process served.
        converging: from then until all agreed.
    """

    seed: str
    at: str
    seconds: float
    operations: Mapping[str, int]
    conflicts: int
    unknown: int
    faults: Mapping[str, int]
    logins: Mapping[str, int]
    reads: int
    violations: Sequence[str]
    exits: Sequence[str]
    healing: float
    converging: float

    @classmethod
    def of(
        cls, seed: str, seconds: float, history: History, injector: Injector, *, healing: float, converging: float
    ) -> Self:
        """Count."""
        outcomes: Counter[str] = Counter()
        done: Counter[str] = Counter()
        for (door, operation, outcome), number in history.operations.items():
            outcomes[outcome] += number
            if outcome == "done":
                done[f"{door} {operation}"] += number
        tried = Counter((login.in_session, login.accepted) for login in history.logins)
        return cls(
            seed=seed,
            at=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(seconds),
            operations=dict(sorted(done.items())),
            conflicts=outcomes["conflict"],
            unknown=outcomes["unknown"],
            faults={fault.value: injector.faults[fault] for fault in Fault},
            logins={"accepted": tried[False, True], "refused": tried[False, False]},
            reads=tried[True, True],
            violations=tuple(history.violations),
            exits=tuple(injector.exits),
            healing=round(healing, 1),
            converging=round(converging, 1),
        )

    def text(self) -> str:
        """For the terminal."""
        lines = [
            f"chaos: {self.seconds:.0f} s, {sum(self.operations.values())} operations done, {self.conflicts} conflicts,"
            f" {self.unknown} with unknown outcome; logins: {dict(self.logins)}, reads in sessions: {self.reads}",
            *(f"  {name}: {number}" for name, number in self.operations.items()),
            f"chaos: {sum(self.faults.values())} faults",
            *(f"  {name}: {number}" for name, number in self.faults.items()),
            f"chaos: all processes served after {self.healing:.1f} s, all agreed {self.converging:.1f} s later; "
            f"ended by themselves: {', '.join(self.exits) or 'none'}",
            f"chaos: {len(self.violations)} violations",
            *(f"  {text}" for text in self.violations),
        ]
        return "\n".join(lines)

    def check(self, *, round_: float, fewest: Mapping[str, float], kinds: Sequence[Fault]) -> None:
        """Fail for a broken promise, and for a run that tried too little to show anything.

        Args:
            round_: seconds in which each kind of fault comes once.
            fewest: operations and logins per second.
            kinds: of faults.
        """
        assert not self.violations, "\n".join(self.violations)
        rounds = int(self.seconds // round_)
        rare = {kind.value: self.faults[kind.value] for kind in kinds if self.faults[kind.value] < rounds}
        assert not rare, f"fewer than {rounds} of: {rare}"
        assert sum(self.faults.values()) > 0
        assert sum(self.operations.values()) >= fewest["operations"] * self.seconds, self.operations
        assert sum(self.logins.values()) >= fewest["logins"] * self.seconds, self.logins
        needed = [f"{door} {what}" for door in ("rest", "kubectl") for what in ("attach", "connect", "detach")]
        assert rounds == 0 or all(self.operations.get(name) for name in needed), self.operations
        assert rounds == 0 or self.conflicts, "no two clients ever wanted the same volume"


def publish(figures: Figures) -> None:
    """Keep a run that passed and show the latest ones in docs/reliability.md."""
    runs = json.loads(KEPT.read_text()) if KEPT.exists() else []
    runs = [asdict(figures), *runs][:_RUNS]
    KEPT.write_text(json.dumps(runs, indent=1) + "\n")
    head, _, rest = PAGE.read_text().partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    PAGE.write_text(f"{head}{_BEGIN}\n{_tables(runs)}{_END}{tail}")


def _tables(runs: Sequence[Mapping[str, object]]) -> str:
    rows: list[tuple[str, list[str]]] = [
        ("seed", [f"`{run['seed']}`" for run in runs]),
        ("ended at (UTC)", [str(run["at"])[:16].replace("T", " ") for run in runs]),
        ("seconds", [f"{run['seconds']:.0f}" for run in runs]),
        ("operations done", [str(_sum(run["operations"])) for run in runs]),
        ("conflicts", [str(run["conflicts"]) for run in runs]),
        ("outcome unknown to the client", [str(run["unknown"]) for run in runs]),
        ("logins accepted / refused", [_logins(run["logins"]) for run in runs]),
        ("reads in kept sessions", [str(run["reads"]) for run in runs]),
        ("faults", [str(_sum(run["faults"])) for run in runs]),
        *((f"&nbsp;&nbsp;{fault}", [_count(run["faults"], fault) for run in runs]) for fault in Fault),
        ("processes serve again after (s)", [f"{run['healing']:.1f}" for run in runs]),
        ("all agree after another (s)", [f"{run['converging']:.1f}" for run in runs]),
        ("violations", [str(len(_list(run["violations"]))) for run in runs]),
    ]
    head, *body = (f"| {name} | {' | '.join(cells)} |" for name, cells in rows)
    return "\n".join(["", head, f"|---|{'---|' * len(runs)}", *body, "", ""])


def _sum(counts: object) -> int:
    assert isinstance(counts, Mapping)
    return sum(counts.values())


def _count(counts: object, name: str) -> str:
    assert isinstance(counts, Mapping)
    return str(counts.get(name, 0))


def _logins(counts: object) -> str:
    assert isinstance(counts, Mapping)
    return f"{counts['accepted']} / {counts['refused']}"


def _list(items: object) -> Sequence[object]:
    assert isinstance(items, Sequence)
    return items
