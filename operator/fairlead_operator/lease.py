"""Leader election by Kubernetes Leases, renewed from a thread of its own.

A thread, because whatever keeps the main event loop busy (a list of a hundred thousand objects) must not cost us the
Lease. Validity is counted on the monotonic clock from the moment *before* a renewal was sent, so a holder stops
believing in its Lease before anybody else may take it; a taker waits out the whole duration from the moment it first
saw the record it wants to replace, so clocks of different machines are never compared.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fairlead_kube.client import KubeClient
from fairlead_kube.endpoints import LEASES
from fairlead_kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from fairlead_operator.faultpoints import faultpoint

_log = logging.getLogger(__name__)

_SWITCH_INTERVAL: Final = 20e-6
"""Seconds that a thread waits for its turn before it demands one. An event loop with much to do lets go of the
interpreter for some microseconds at each look for news, and each time that ends the wait of Python's 5 ms without a
turn. A renewal needs some thirty turns, and took up to twelve seconds beside a takeover of 100,000 pairs on two busy
processors; with this it takes milliseconds, and whoever works gets as much done (`make bench BENCH_ARGS=scale`)."""


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
        self._record: Mapping[str, Any] | None = None
        self._tenure: Tenure | None = None
        self._heard = time.monotonic()
        self._settled = False

    @property
    def settled(self) -> bool:
        """Whether the first try is over: it is ours, or somebody else's, or the API server does not answer."""
        return self._settled

    @property
    def leading(self) -> bool:
        """Whether the Lease is ours now."""
        tenure = self._tenure
        return tenure is not None and tenure.valid

    @property
    def silence(self) -> float:
        """Seconds since the API server last answered about this Lease."""
        return time.monotonic() - self._heard

    @property
    def alive(self) -> bool:
        """Whether somebody still campaigns."""
        return self._thread is None or self._thread.is_alive()

    async def start(self) -> None:
        """Begin to campaign."""
        self._main = asyncio.get_running_loop()
        sys.setswitchinterval(_SWITCH_INTERVAL)
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
                    tenure = await self._win(client)
                except KubeError as error:
                    _log.warning("lease %s: %s", self._lease, error)
                    self._settled = True
                    await asyncio.sleep(self._timing.poll)
                    continue
                _log.info("lease %s: won, epoch %s", self._lease, tenure.epoch)
                self._tenure = tenure
                self._settled = True
                work = _Work(self._on_won, tenure, self._main)
                try:
                    await self._hold(client, tenure, work)
                finally:
                    tenure.end()
                    await work.stop(within=self._timing.duration)
                    await self._release(client)
                    _log.info("lease %s: tenure %s is over", self._lease, tenure.epoch)

    async def _win(self, client: KubeClient) -> Tenure:
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
            self._heard = time.monotonic()
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
            self._settled = True
            await asyncio.sleep(self._timing.poll)

    async def _take(self, client: KubeClient, record: Mapping[str, Any] | None, now: float) -> Tenure:
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
            self._record = await client.create(LEASES, body, self._namespace)
        else:
            body["metadata"] = record["metadata"]
            self._record = await client.replace(LEASES, self._lease, body, self._namespace)
        # A Lease that was deleted and made anew starts its count again; its uid keeps the epochs apart all the same.
        assert self._record is not None
        tenure = Tenure(self._lease, f"{turns:08d}-{self._record['metadata']['uid'].replace('-', '')[:16]}")
        tenure.extend(now + self._timing.duration)
        return tenure

    async def _hold(self, client: KubeClient, tenure: Tenure, work: "_Work") -> None:
        """Renew until the Lease is lost or the work ends by itself."""
        while tenure.valid:
            if await work.ended(within=self._timing.renew):
                _log.error("lease %s: the work of tenure %s ended by itself", self._lease, tenure.epoch)
                return
            await faultpoint(f"{self._lease}.before-renew")
            started = time.monotonic()
            try:
                await self._renew(client)
                tenure.extend(started + self._timing.duration)
                self._heard = time.monotonic()
            except (Conflict, NotFound):
                if not await self._still_ours(client):
                    return
            except KubeError as error:
                _log.warning("lease %s: renewal failed: %s", self._lease, error)
                await asyncio.sleep(min(0.2, self._timing.renew))
        _log.warning("lease %s: could not be renewed in time", self._lease)

    async def _renew(self, client: KubeClient) -> None:
        assert self._record is not None
        body = {**self._record, "spec": {**self._record["spec"], "renewTime": _micro_time()}}
        path = LEASES.path(self._namespace, self._lease)
        self._record = await client.request("PUT", path, body=body, timeout=max(0.5, self._timing.duration / 2))

    async def _still_ours(self, client: KubeClient) -> bool:
        """Look again after a conflict: an answer that was lost on the way may have been our own renewal."""
        record, self._record = self._record, None
        try:
            found = await client.get(LEASES, self._lease, self._namespace)
        except KubeError as error:
            _log.warning("lease %s: %s", self._lease, error)
            return False
        assert record is not None
        if found["spec"].get("holderIdentity") != self._identity:
            _log.warning("lease %s: taken by %s", self._lease, found["spec"].get("holderIdentity"))
            return False
        if found["spec"].get("leaseTransitions") != record["spec"].get("leaseTransitions"):
            return False
        self._record = found
        return True

    async def _release(self, client: KubeClient) -> None:
        record, self._record = self._record, None
        if record is None:
            return
        body = {**record, "spec": {**record["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}}
        try:
            await client.replace(LEASES, self._lease, body, self._namespace)
        except KubeError as error:
            _log.info("lease %s: not released: %s", self._lease, error)


class _Work:
    """What a tenure is for, running in the main event loop, seen from the election's thread."""

    def __init__(
        self,
        on_won: Callable[[Tenure], Awaitable[None]],
        tenure: Tenure,
        main: asyncio.AbstractEventLoop | None,
    ) -> None:
        assert main is not None
        self._finished: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._handle = asyncio.run_coroutine_threadsafe(self._run(on_won, tenure), main)

    async def _run(self, on_won: Callable[[Tenure], Awaitable[None]], tenure: Tenure) -> None:
        try:
            await on_won(tenure)
        except Exception:
            _log.exception("lease %s: the work failed", tenure.lease)
        finally:
            self._finished.set_result(None)

    async def ended(self, *, within: float) -> bool:
        """Wait that many seconds for it to end by itself."""
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(self._finished)), timeout=within)
        except TimeoutError:
            return False
        return True

    async def stop(self, *, within: float) -> None:
        """Cancel it and wait for its clean-up; a main loop that is already gone needs no waiting for."""
        self._handle.cancel()
        await self.ended(within=within)


def is_held(spec: Mapping[str, Any], now: datetime) -> bool:
    """Whether a Lease looks held, by the clocks of two machines: good for what is only told, never for an effect."""
    renewed = spec.get("renewTime")
    if not spec.get("holderIdentity") or renewed is None:
        return False
    return now < datetime.fromisoformat(renewed) + timedelta(seconds=spec.get("leaseDurationSeconds", 0))


def _micro_time() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
