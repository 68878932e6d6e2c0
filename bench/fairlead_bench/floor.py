"""The floor: bare lives of attachments, the writes and the target commands in the order of docs/architecture.md."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from fairlead_bench.bare_api import BareLife, Stages, install_copies, remove_copies
from fairlead_bench.bare_target import BareTargets
from fairlead_bench.rest_load import Cycle, RestLoad, cycles, repeated
from fairlead_kube.client import KubeClient


@dataclass(frozen=True)
class Life:
    """Lives one after another on one volume.

    Attributes:
        writes: to the API server.
        targets: where it is exported.
        file: the volume's data.
    """

    writes: BareLife
    targets: BareTargets
    file: Path

    async def cycle(self) -> Cycle:
        """One life."""
        times = [time.perf_counter()]
        handle = await self.writes.create()
        await self.writes.admit()
        tid = await self.targets.export(handle, self.file)
        await self.writes.publish()
        times.append(time.perf_counter())
        await self.writes.complete()
        times.append(time.perf_counter())
        await self.writes.ask_deletion()
        await self.targets.remove(tid, handle)
        await self.writes.release()
        times.append(time.perf_counter())
        return Cycle.between(times)


@dataclass
class Floor:
    """Bare lives on a running installation's API server. Use as an async context manager.

    Attributes:
        kubeconfig: of an administrator.
        folder: for a tgtd and its files; it must not exist.
        load: of that installation, to see one real life.
        clients: how many lives there are at a time.
        lives: one for each client.
    """

    kubeconfig: Path
    folder: Path
    load: RestLoad
    clients: int
    lives: list[Life] = field(default_factory=list)
    _open: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def __aenter__(self) -> Self:
        try:
            await self._begin()
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._open.aclose()

    async def cycles(self, each: int) -> tuple[list[Cycle], float]:
        """Have every client go through that many lives; returns as `rest_load.cycles` does."""
        return await repeated([life.cycle for life in self.lives], each=each)

    async def _begin(self) -> None:
        client = await self._open.enter_async_context(await KubeClient.from_kubeconfig(self.kubeconfig))
        self._open.push_async_callback(remove_copies, client)
        await asyncio.to_thread(install_copies, self.kubeconfig)
        targets = await self._open.enter_async_context(BareTargets(self.folder))
        stages = await Stages.record(client, self.load)
        for number in range(self.clients):
            life = Life(BareLife(client, stages), targets, targets.file(str(number)))
            await life.writes.begin()
            self._open.push_async_callback(life.writes.end)
            self.lives.append(life)


async def compare(
    floor: Floor, load: RestLoad, volumes: Sequence[str], *, turns: int, each: int
) -> tuple[list[Cycle], list[Cycle]]:
    """Have one client go through lives on both sides in turns. Returns REST's cycles and the floor's.

    `load` and its `volumes` are of any server of the API.
    """
    rest, bare = list[Cycle](), list[Cycle]()
    for _ in range(turns):
        found, _ = await cycles(load, volumes[:1], each=each)
        rest += found
        found, _ = await repeated([floor.lives[0].cycle], each=each)
        bare += found
    return rest, bare
