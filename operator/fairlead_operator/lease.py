"""Leader election by Kubernetes Leases, renewed from a thread of its own.

A thread, because whatever keeps the main event loop busy (a list of a hundred thousand objects) must not cost us the
Lease. Validity is counted on the monotonic clock from the moment *before* a renewal was sent, so a holder stops
believing in its Lease before anybody else may take it; a taker waits out the whole duration from the moment it first
saw the record it wants to replace, so clocks of different machines are never compared.
"""

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import LEASES
from fairlead_kube.errors import AlreadyExists, Conflict, KubeError, NotFound

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LeaseTiming:
    """Seconds. `duration` bounds how long a dead holder blocks; `renew` and `poll` how often the record is touched."""

    duration: float = 5.0
    renew: float = 1.5
    poll: float = 0.5


@dataclass
class Tenure:
    """One holder's time with a Lease.

    Attributes:
        lease: its name.
        epoch: unique to this tenure, later ones sort after earlier ones; fit for a file name.
    """

    lease: str
    epoch: str
    _valid_until: float = field(default=0.0, repr=False)
    _ended: bool = field(default=False, repr=False)

    @property
    def valid(self) -> bool:
        """Whether nobody else can hold the Lease yet. Check it right before each outside effect."""
        return not self._ended and time.monotonic() < self._valid_until

    def extend(self, until: float) -> None:
        """Note a renewal; called by the election thread."""
        self._valid_until = until

    def end(self) -> None:
        """Give it up; called by the election thread."""
        self._ended = True


class LostLease(Exception):
    """The tenure is over; whatever was about to be done must not be."""


class Election:
    """Campaigns for one Lease, over and over, and tells the main event loop of each tenure.

    `on_won(tenure)` runs in the main loop; it is cancelled and awaited when the tenure ends, before the next campaign.
    """

    def __init__(
        self,
        *,
        lease: str,
        namespace: str,
        identity: str,
        timing: LeaseTiming,
        connect: Callable[[], Awaitable[KubeClient]],
        on_won: Callable[[Tenure], Awaitable[None]],
    ) -> None:
        self._lease = lease
        self._namespace = namespace
        self._identity = identity
        self._timing = timing
        self._connect = connect
        self._on_won = on_won
        self._main: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._campaign: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to campaign."""
        self._main = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name=f"lease {self._lease}", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """End the tenure if there is one, release the Lease, and wait until both are done."""
        loop, campaign = self._loop, self._campaign
        if loop is not None and campaign is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(campaign.cancel)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._campaign = asyncio.create_task(self._campaign_forever())
            with contextlib.suppress(asyncio.CancelledError):
                await self._campaign

        asyncio.run(main())

    async def _campaign_forever(self) -> None:
        async with await self._connect() as client:
            while True:
                try:
                    record, tenure = await self._win(client)
                except KubeError as error:
                    _log.warning("lease %s: %s", self._lease, error)
                    await asyncio.sleep(self._timing.poll)
                    continue
                _log.info("lease %s: won, epoch %s", self._lease, tenure.epoch)
                work = self._start_work(tenure)
                try:
                    record = await self._hold(client, record, tenure, work)
                finally:
                    tenure.end()
                    await self._stop_work(work)
                    if record is not None:
                        await self._release(client, record)
                    _log.info("lease %s: tenure %s is over", self._lease, tenure.epoch)

    def _start_work(self, tenure: Tenure) -> "asyncio.Future[None]":
        assert self._main is not None
        work = asyncio.run_coroutine_threadsafe(_awaited(self._on_won(tenure)), self._main)
        return asyncio.wrap_future(work)

    async def _stop_work(self, work: "asyncio.Future[None]") -> None:
        work.cancel()
        # The main loop may already be closing; its own shutdown then ends the work.
        with contextlib.suppress(asyncio.CancelledError, TimeoutError, Exception):
            await asyncio.wait_for(asyncio.shield(work), timeout=self._timing.duration)

    async def _win(self, client: KubeClient) -> tuple[Mapping[str, Any], Tenure]:
        """Wait until the Lease is free, or its holder silent for its whole duration, and take it."""
        seen_version, seen_at = "", 0.0
        while True:
            now = time.monotonic()
            try:
                record = await client.get(LEASES, self._lease, self._namespace)
            except NotFound:
                with contextlib.suppress(AlreadyExists):
                    return await self._take(client, None, now)
                continue
            version = record["metadata"]["resourceVersion"]
            if version != seen_version:
                seen_version, seen_at = version, time.monotonic()
            spec = record["spec"]
            silent_for = now - seen_at
            free = not spec.get("holderIdentity")
            if free or silent_for >= float(spec.get("leaseDurationSeconds") or self._timing.duration):
                with contextlib.suppress(Conflict):
                    return await self._take(client, record, now)
                continue
            await asyncio.sleep(self._timing.poll)

    async def _take(
        self, client: KubeClient, record: Mapping[str, Any] | None, now: float
    ) -> tuple[Mapping[str, Any], Tenure]:
        turns = int(record["spec"].get("leaseTransitions") or 0) + 1 if record is not None else 1
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.duration)),
            "acquireTime": _micro_time(),
            "renewTime": _micro_time(),
            "leaseTransitions": turns,
        }
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._lease, "namespace": self._namespace},
            "spec": spec,
        }
        if record is None:
            taken = await client.create(LEASES, body, self._namespace)
        else:
            body["metadata"] = record["metadata"]
            taken = await client.replace(LEASES, self._lease, body, self._namespace)
        # A Lease that was deleted starts its count again; the random part keeps epochs apart all the same.
        tenure = Tenure(self._lease, f"{turns:08d}-{uuid.uuid4().hex[:12]}")
        tenure.extend(now + self._timing.duration)
        return taken, tenure

    async def _hold(
        self, client: KubeClient, record: Mapping[str, Any], tenure: Tenure, work: "asyncio.Future[None]"
    ) -> Mapping[str, Any] | None:
        """Renew until the Lease is lost (None) or the work ends by itself (the record, to release)."""
        while tenure.valid:
            await asyncio.wait([work], timeout=self._timing.renew)
            if work.done():
                if (error := work.exception() if not work.cancelled() else None) is not None:
                    _log.error("lease %s: the work of tenure %s failed", self._lease, tenure.epoch, exc_info=error)
                return record
            started = time.monotonic()
            try:
                record = await self._renew(client, record)
                tenure.extend(started + self._timing.duration)
            except (Conflict, NotFound):
                try:
                    record = await client.get(LEASES, self._lease, self._namespace)
                except KubeError:
                    return None
                if record["spec"].get("holderIdentity") != self._identity:
                    _log.warning("lease %s: taken by %s", self._lease, record["spec"].get("holderIdentity"))
                    return None
            except KubeError as error:
                _log.warning("lease %s: renewal failed: %s", self._lease, error)
                await asyncio.sleep(min(0.2, self._timing.renew))
        _log.warning("lease %s: could not be renewed in time", self._lease)
        return None

    async def _renew(self, client: KubeClient, record: Mapping[str, Any]) -> Mapping[str, Any]:
        body = {**record, "spec": {**record["spec"], "renewTime": _micro_time()}}
        path = LEASES.path(self._namespace, self._lease)
        renewed: Mapping[str, Any] = await client.request(
            "PUT", path, body=body, timeout=max(0.5, self._timing.duration / 2)
        )
        return renewed

    async def _release(self, client: KubeClient, record: Mapping[str, Any]) -> None:
        body = {**record, "spec": {**record["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}}
        try:
            await asyncio.shield(client.replace(LEASES, self._lease, body, self._namespace))
        except KubeError as error:
            _log.info("lease %s: not released: %s", self._lease, error)


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
