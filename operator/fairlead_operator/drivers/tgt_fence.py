"""The driver's tgtd and its fence: what is the same whoever starts it (`tgt_daemon`, `tgt_existing`).

Who may command it is decided by the epoch record (`tgt_epoch`) and the socket's name, which contains the epoch:

1. `fence` writes the epoch. From now on every command of an earlier epoch is refused between connecting and sending.
2. It renames the management socket. Whoever knows only the old name, tgtadm included, finds nobody.
3. It asks tgtd something under the new name. tgtd takes connections in order, so all earlier ones are taken now.
4. It waits until tgtd has closed the earlier ones. One that stays belongs to a holder that was stopped between
   connecting and sending; its command could still come. A supervised tgtd is then killed and started again (nodes
   reconnect by themselves once their exports are made again); of an existing one `fence` says it is unavailable.

So when `fence` returns no command of an earlier epoch can take effect. What a deposed holder can still do, stopped
between the check and the act, is start a tgtd of its own (it gets the port or nothing, holds no targets, and cannot be
commanded: it is found and ended) and rename the socket to its own epoch's name (found and renamed again; its commands
stay refused). Both cost the present holder a restart or a retry, neither lets a node in.

Only the holder starts, restarts, renames and ends, so nothing runs before the first `fence`.
"""

import abc
import asyncio
import logging
import os
import time
from pathlib import Path

from fairlead_operator.drivers import tgt_process, tgt_protocol
from fairlead_operator.drivers.base import DriverError, DriverUnavailable, Fenced, UnknownOutcome
from fairlead_operator.drivers.tgt_epoch import EpochRecord
from fairlead_operator.drivers.tgt_socket import exchange
from fairlead_operator.faultpoints import faultpoint

_log = logging.getLogger(__name__)

_QUEUE_LIMIT = 60.0
_STRAGGLER_LIMIT = 2.0
_FIRST_PAUSE = 0.05


class TgtDaemon(abc.ABC):
    """A tgtd that one driver instance commands while it holds the epoch."""

    _longest_pause = 2.0
    """Seconds between tries to have it back."""

    def __init__(self, *, run_folder: Path) -> None:
        self._run_folder = run_folder
        self._record = EpochRecord(run_folder)
        self._epoch: str | None = None
        self._pid = 0
        self._life = ""
        self._handle: int | None = None
        self._trouble: str | None = None
        self._watch: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._establishing = asyncio.Lock()
        # tgtd does one thing at a time; a queue here is fair and does not fill its backlog of 32.
        self._turn = asyncio.Semaphore(1)

    @property
    def generation(self) -> str:
        """Names tgtd's present life; empty before the first `fence`."""
        return self._life

    async def prepare(self) -> None:
        """Make the run folder usable. Starts nothing.

        Raises:
            DriverUnavailable: saying what is missing.
        """
        try:
            self._run_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._record.prepare()
        except OSError as error:
            raise DriverUnavailable(f"run folder {self._run_folder} is not usable: {error.strerror}") from error

    async def fence(self, epoch: str) -> None:
        """Begin an epoch; see the module's text. On return tgtd runs and obeys this instance only."""
        await self.stop()
        self._record.begin(epoch)
        self._epoch = epoch
        await faultpoint("tgt.fence.after-epoch")
        async with self._establishing:
            await self._establish(epoch)
        self._watch = asyncio.create_task(self._supervise(epoch), name=f"tgtd of {self._run_folder}")

    async def stop(self) -> None:
        """Stop watching. tgtd goes on, with its exports."""
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)
        self._let_go()

    def require(self) -> str:
        """The epoch in which this instance may act.

        Raises:
            Fenced: when it may not.
        """
        if self._epoch is None:
            raise Fenced("this driver has begun no epoch yet: only the holder of the Backend's Lease may act")
        self._record.require(self._epoch)
        return self._epoch

    async def check(self) -> None:
        """Ask tgtd for a sign of life; errors as in `call`."""
        await self.call(tgt_protocol.system_show())

    async def call(self, request: tgt_protocol.Request) -> str:
        """One request to tgtd.

        Raises:
            Fenced: this instance's epoch is over; nothing happened.
            TgtError: tgtd refused; nothing happened.
            DriverUnavailable: tgtd does not run or does not answer; nothing happened.
            UnknownOutcome: the request was sent and no answer came.
        """
        epoch = self.require()
        try:
            async with asyncio.timeout(_QUEUE_LIMIT):
                await self._turn.acquire()
        except TimeoutError:
            raise DriverUnavailable(f"'{request}' was not sent: tgtd is busy with earlier requests") from None
        try:
            return await exchange(self._control(epoch), request, admit=self.require)
        except (DriverUnavailable, UnknownOutcome) as error:
            # The socket's absence may be a fence; then that is the answer.
            if isinstance(error, DriverUnavailable):
                self.require()
            self._wake.set()
            if isinstance(error, DriverUnavailable) and self._trouble is not None:
                raise DriverUnavailable(f"{error}; restarting it failed: {self._trouble}") from error
            raise
        finally:
            self._turn.release()

    @abc.abstractmethod
    def _control(self, epoch: str) -> Path:
        """The socket's name in an epoch."""

    @abc.abstractmethod
    async def _establish(self, epoch: str) -> None:
        """Have tgtd running with its socket under the epoch's name and adopt it. Idempotent."""

    def _adopt(self, pid: int) -> None:
        self._let_go()
        self._handle = tgt_process.open_pidfd(pid)
        life = tgt_process.life_of(pid)
        if self._handle is None or life is None:
            raise DriverUnavailable(f"tgtd (pid {pid}) ended while it was looked at")
        self._pid, self._life, self._trouble = pid, life, None

    def _let_go(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    async def _ask(self, path: Path, request: tgt_protocol.Request) -> str:
        return await exchange(path, request, admit=self.require)

    async def _stragglers_gone(self, pid: int) -> bool:
        """Wait until tgtd has closed every management connection; False when one stays."""
        end = time.monotonic() + _STRAGGLER_LIMIT
        while await asyncio.to_thread(tgt_process.management_connections, pid):
            if time.monotonic() > end:
                return False
            await asyncio.sleep(0.005)
        return True

    async def _supervise(self, epoch: str) -> None:
        while True:
            await self._disturbance()
            pause = _FIRST_PAUSE
            while True:
                before = self._life
                try:
                    self._wake.clear()
                    async with self._establishing:
                        await self._establish(epoch)
                    if self._life != before:
                        _log.warning("tgtd of %s ended and runs again as %s", self._run_folder, self._life)
                    break
                except Fenced as error:
                    _log.warning("tgtd of %s is no longer watched: %s", self._run_folder, error)
                    return
                except Exception as error:
                    # Whatever it is, nobody else would try again.
                    if str(error) != self._trouble:
                        _log.warning("tgtd of %s: %s", self._run_folder, error, exc_info=not _expected(error))
                    self._trouble = str(error)
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, self._longest_pause)

    async def _disturbance(self) -> None:
        """Wait until tgtd ends or a command found nobody."""
        handle = self._handle
        if handle is None:
            return
        loop = asyncio.get_running_loop()
        loop.add_reader(handle, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            loop.remove_reader(handle)
        tgt_process.reap(self._pid)


def _expected(error: Exception) -> bool:
    return isinstance(error, DriverError | OSError)
