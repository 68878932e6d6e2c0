"""Trees of processes, read from /proc: what they used of the processors, what they hold of the memory."""

import contextlib
import ctypes
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Usage:
    """One process: its parent's pid, and the seconds of processor time of itself and of the children it waited for."""

    parent: int
    cpu: float


def table() -> Mapping[int, Usage]:
    """Every process of the machine, by pid."""
    found = {}
    for pid in map(int, filter(str.isdigit, os.listdir(_PROC))):
        # One that ends meanwhile is not there any more.
        with contextlib.suppress(OSError):
            # The name in parentheses may hold anything. Fields 4 and 14 to 17 of proc(5).
            fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            found[pid] = Usage(int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)
    return found


def tree(roots: Iterable[int], processes: Mapping[int, Usage]) -> set[int]:
    """The roots that are there and all that descend from them."""
    found = {root for root in roots if root in processes}
    fresh = set(found)
    while fresh:
        fresh = {pid for pid, usage in processes.items() if usage.parent in fresh} - found
        found |= fresh
    return found


def cpu_by_part(parts: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Processor seconds of each part's processes, without what descends from them."""
    processes = table()
    return {name: sum(processes[pid].cpu for pid in pids if pid in processes) for name, pids in parts.items()}


def cpu_seconds(roots: Iterable[int]) -> float:
    """Processor time of those processes and all that descend from them, with ended ones that were waited for."""
    processes = table()
    return sum(processes[pid].cpu for pid in tree(roots, processes))


@dataclass(frozen=True)
class Memory:
    """Bytes that processes hold.

    Attributes:
        processes: how many there are.
        resident: the sum of their resident sets (RSS): pages that several share count several times.
        proportional: the same with shared pages divided by their sharers (PSS): what the machine really gives.
    """

    processes: int
    resident: int
    proportional: int

    def __add__(self, other: "Memory") -> "Memory":
        return Memory(
            self.processes + other.processes, self.resident + other.resident, self.proportional + other.proportional
        )


def memory(parts: Mapping[str, Iterable[int]]) -> dict[str, Memory]:
    """What each part holds: its processes and all that descend from them and were not counted for an earlier part."""
    processes, counted, found = table(), set[int](), {}
    for name, roots in parts.items():
        own = tree(roots, processes) - counted
        counted |= own
        found[name] = _memory_of(own)
    return found


def _memory_of(pids: Iterable[int]) -> Memory:
    sums = Memory(0, 0, 0)
    for pid in pids:
        with contextlib.suppress(OSError):
            rows = (line.split() for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:])
            kib = {row[0]: int(row[1]) for row in rows}
            sums += Memory(1, kib["Rss:"] * 1024, kib["Pss:"] * 1024)
    return sums


def adopt_orphans() -> None:
    """From now on become the parent of descendants whose own parent ends, tgtd among them, so that they stay countable.

    Raises:
        OSError: the kernel refuses.
    """
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def reap_adopted() -> None:
    """Take note of adopted processes that have ended; only for moments at which nobody waits for a child."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
