"""The machine, the versions of what runs on it, and who else used it while a section ran."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from fairlead_bench import processes
from fairlead_devstack.lookup import locate_control_plane

_CHECKOUT = Path(__file__).parents[2]
_PACKAGES = ("aiohttp", "fastapi", "kopf", "pydantic", "uvicorn")
_TICKS = os.sysconf("SC_CLK_TCK")


class Machine(BaseModel):
    """Where a section ran. Memory in GiB."""

    model_config = ConfigDict(frozen=True)

    processor: str
    cores: int
    memory: float
    kernel: str
    system: str
    versions: Mapping[str, str]


def describe() -> Machine:
    """This machine, and the versions of what every section runs."""
    programs = locate_control_plane()
    return Machine(
        processor=_processor(),
        cores=os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0)),
        memory=round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        kernel=platform.release(),
        system=platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        versions={
            "Python": platform.python_version(),
            **{name: metadata.version(name) for name in _PACKAGES},
            "etcd": str(programs.etcd.version),
            "kube-apiserver": str(programs.kube_apiserver.version),
            "tgt": debian_version("tgt"),
        },
    )


def commit() -> str:
    """The checkout's commit, marked when tracked files differ from it; `unknown` outside of git."""
    try:
        command = ["git", "describe", "--always", "--abbrev=12", "--exclude=*", "--dirty"]
        done = subprocess.run(command, cwd=_CHECKOUT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def debian_version(package: str) -> str:
    """The version of an installed Debian package; `unknown` when it is something else."""
    try:
        command = ["dpkg-query", "--show", "--showformat=${Version}", package]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


class Disturbance(BaseModel):
    """Who used the processors during a run.

    Attributes:
        seconds: how long it took.
        load_before: mean number of runnable processes in the minute before, ours not among them yet.
        load_after: the same at the end, ours included.
        own: processor seconds of the bench and all that it started.
        others: of everybody else.
        stolen: that the hypervisor gave to other machines.
        share: what others and the hypervisor took, of all that the machine had.
        pace_before: milliseconds that a fixed piece of work took before, see `pace`; None in runs that did not ask.
        pace_after: the same at the end.
    """

    model_config = ConfigDict(frozen=True)

    seconds: float
    load_before: float
    load_after: float
    own: float
    others: float
    stolen: float
    share: float
    pace_before: float | None = None
    pace_after: float | None = None

    @property
    def notable(self) -> bool:
        """Whether others took so much that the figures may be theirs."""
        return self.share > 0.03


def pace() -> float:
    """Milliseconds that a fixed piece of Python takes at present, the median of five.

    A virtual processor of one name may be twice as fast as another, or as itself an hour ago, and nothing else tells:
    who shares its core is not counted as stolen. Absolute figures of two runs compare as far as this does.
    """

    def once() -> float:
        began, total = time.perf_counter(), 0
        for number in range(2_000_000):
            total += number
        return 1000 * (time.perf_counter() - began)

    return round(statistics.median(once() for _ in range(5)), 1)


@dataclass
class Watch:
    """Counts from its creation until `stop`."""

    _pace: float = field(default_factory=pace)
    _began: float = field(default_factory=time.monotonic)
    _load: float = field(default_factory=lambda: os.getloadavg()[0])
    _own: float = field(default_factory=lambda: processes.cpu_seconds([os.getpid()]))
    _machine: tuple[float, float] = field(default_factory=lambda: _machine_seconds())

    def stop(self) -> Disturbance:
        """What happened since. Call it while everything that was started still runs, or was waited for."""
        seconds = time.monotonic() - self._began
        own = processes.cpu_seconds([os.getpid()]) - self._own
        busy, stolen = (now - then for now, then in zip(_machine_seconds(), self._machine, strict=True))
        others = max(0.0, busy - own)
        return Disturbance(
            seconds=round(seconds, 1),
            load_before=round(self._load, 2),
            load_after=round(os.getloadavg()[0], 2),
            own=round(own, 1),
            others=round(others, 1),
            stolen=round(stolen, 1),
            share=round((others + stolen) / (seconds * (os.cpu_count() or 1)), 4),
            pace_before=self._pace,
            pace_after=pace(),
        )


def _machine_seconds() -> tuple[float, float]:
    """Processor seconds since boot: spent on processes and interrupts; stolen."""
    # proc(5): user nice system idle iowait irq softirq steal guest guest_nice; guests are in user and nice already.
    user, nice, system, _, _, irq, softirq, steal = map(
        int, Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    )
    return (user + nice + system + irq + softirq) / _TICKS, steal / _TICKS


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
