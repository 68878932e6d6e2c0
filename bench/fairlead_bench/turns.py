"""What many clients do in turns, and what that costs."""

from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field

from fairlead_bench import processes
from fairlead_bench.rest_load import Cycle


@dataclass
class Turns:
    """Of one side of a comparison.

    Attributes:
        rates: lives per second, a figure for each turn.
        lives: how many there were in all turns.
        cpu: seconds of processor time that they took, by who spent it.
    """

    rates: list[float] = field(default_factory=list)
    lives: int = 0
    cpu: Counter[str] = field(default_factory=Counter)

    async def turn(self, work: Awaitable[tuple[list[Cycle], float]], pids: Mapping[str, list[int]]) -> None:
        """Let many clients do their work, which tells its lives and seconds; `pids` are whose time counts, by name."""
        before = processes.cpu_by_part(pids)
        done, seconds = await work
        self.cpu.update({name: used - before[name] for name, used in processes.cpu_by_part(pids).items()})
        self.rates.append(len(done) / seconds)
        self.lives += len(done)

    def cost(self, *parts: str) -> float:
        """Milliseconds of processor time per life, of those parts or of all."""
        return sum(self.cpu[part] for part in parts or self.cpu) / self.lives * 1e3
