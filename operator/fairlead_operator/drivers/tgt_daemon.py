"""The driver's tgtd: supervised (started here, found again, restarted) or existing (somebody else's), and its fence.

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

`python -m fairlead_operator.drivers.tgt_daemon RUN_FOLDER` ends the supervised tgtd of a run folder.
"""

import abc
import asyncio
import contextlib
import os
import re
import socket
import sys
import time
from pathlib import Path

from fairlead_operator.drivers import tgt_process, tgt_protocol
from fairlead_operator.drivers.base import DriverError, DriverUnavailable, Fenced, UnknownOutcome
from fairlead_operator.drivers.tgt_epoch import EpochRecord
from fairlead_operator.drivers.tgt_listing import parse_portals
from fairlead_operator.drivers.tgt_socket import exchange, peer_pid
from fairlead_operator.faultpoints import faultpoint

_READY_LIMIT = 20.0
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
                try:
                    self._wake.clear()
                    await self._establish(epoch)
                    break
                except Fenced:
                    return
                except (DriverError, OSError) as error:
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


class SupervisedDaemon(TgtDaemon):
    """tgtd started by this driver, in the run folder. It survives the operator and is found again by its folder."""

    def __init__(self, *, run_folder: Path, listen: str, io_threads: int) -> None:
        super().__init__(run_folder=run_folder)
        self._listen = listen
        self._io_threads = io_threads

    async def prepare(self) -> None:
        """Also find out, before anything is promised, whether tgtd is installed and its port is free."""
        tgt_process.find_tgtd()
        await super().prepare()
        if not await asyncio.to_thread(tgt_process.find_running, self._run_folder):
            _require_free(self._listen)

    async def end(self) -> None:
        """End tgtd with all its exports; for a development stack that goes down, never in production."""
        await self.stop()
        await end_daemon(self._run_folder)

    def _control(self, epoch: str) -> Path:
        return self._run_folder / f"ctl.{epoch}.0"

    async def _establish(self, epoch: str) -> None:
        mine = self._control(epoch)
        # Two rounds: in the first a tgtd may turn out to have kept an old holder's connection, and is killed.
        for _ in range(2):
            self._record.require(epoch)
            found = await self._find()
            if found is None:
                pid = await self._start(epoch)
            else:
                pid, path = found
                await faultpoint("tgt.fence.before-rename")
                if path != mine:
                    os.rename(path, mine)
                await self._ask(mine, tgt_protocol.system_show())
                if not await self._stragglers_gone(pid):
                    await asyncio.to_thread(tgt_process.kill_tgtd, pid, self._run_folder)
                    continue
            self._adopt(pid)
            await asyncio.to_thread(self._tidy, mine)
            return
        raise DriverUnavailable("tgtd was restarted and again has a connection of an earlier holder; trying again")

    async def _find(self) -> tuple[int, Path] | None:
        """The tgtd that serves our address, and its socket. Others in our folder are strays; they are ended."""
        running = set(await asyncio.to_thread(tgt_process.find_running, self._run_folder))
        chosen: tuple[int, Path] | None = None
        for path in _sockets_in(self._run_folder):
            pid = peer_pid(path)
            if pid == 0:
                raise DriverUnavailable(
                    f"another container's tgtd uses the run folder {self._run_folder}; "
                    "end that container, or give each operator its own dataDir"
                )
            if pid not in running or chosen is not None:
                continue
            # One that ends now or does not answer is as good as none.
            with contextlib.suppress(DriverUnavailable):
                if self._listen in parse_portals(await self._ask(path, tgt_protocol.portal_show())):
                    chosen = (pid, path)
        for pid in running - {chosen[0] if chosen else 0}:
            await asyncio.to_thread(tgt_process.kill_tgtd, pid, self._run_folder)
        return chosen

    async def _start(self, epoch: str) -> int:
        await faultpoint("tgt.start.before-spawn")
        self._record.require(epoch)
        mine = self._control(epoch)
        written = tgt_process.log_length(self._run_folder)
        pid = await asyncio.to_thread(
            tgt_process.start_tgtd,
            self._run_folder,
            socket_stem=mine.name.removesuffix(".0"),
            portal=self._listen,
            io_threads=self._io_threads,
        )
        try:
            await self._until_ready(pid, mine, written)
        except BaseException:
            await asyncio.to_thread(tgt_process.kill_tgtd, pid, self._run_folder)
            raise
        return pid

    async def _until_ready(self, pid: int, mine: Path, written: int) -> None:
        end = time.monotonic() + _READY_LIMIT
        while peer_pid(mine) != pid:
            tgt_process.reap(pid)
            if tgt_process.life_of(pid) is None:
                said = tgt_process.log_tail(self._run_folder, written)
                raise DriverUnavailable(f"tgtd ended at once; it said: {said or 'nothing'}")
            if time.monotonic() > end:
                raise DriverUnavailable(f"tgtd did not open its management socket within {_READY_LIMIT:g} s")
            await asyncio.sleep(0.003)
        # tgtd opens the management socket first and runs on when it cannot listen.
        if self._listen not in parse_portals(await self._ask(mine, tgt_protocol.portal_show())):
            _require_free(self._listen)
            said = tgt_process.log_tail(self._run_folder, written)
            raise DriverUnavailable(f"tgtd cannot listen on {self._listen}; it said: {said}")

    def _tidy(self, mine: Path) -> None:
        """Remove dead sockets and lock files of earlier epochs."""
        self.require()
        for path in [*_sockets_in(self._run_folder), *self._run_folder.glob("ctl.*.lock")]:
            if not path.name.startswith(mine.name) and (path.suffix == ".lock" or peer_pid(path) is None):
                path.unlink(missing_ok=True)


class ExistingDaemon(TgtDaemon):
    """A tgtd that somebody else runs, for this Backend alone: the fence takes its management socket away from others.

    It must run as the same user and be visible to this process (same pid namespace), which the fence needs.
    """

    _longest_pause = 0.2

    def __init__(self, *, run_folder: Path, socket_path: Path) -> None:
        super().__init__(run_folder=run_folder)
        self._base = socket_path

    async def prepare(self) -> None:
        """Also find out whether it answers."""
        await super().prepare()
        self._find()

    def _control(self, epoch: str) -> Path:
        return self._base.with_name(f"{self._base.name}.{epoch}")

    async def _establish(self, epoch: str) -> None:
        mine = self._control(epoch)
        self._record.require(epoch)
        pid, path = self._find()
        await faultpoint("tgt.fence.before-rename")
        if path != mine:
            try:
                os.rename(path, mine)
            except PermissionError as error:
                raise DriverUnavailable(f"may not rename {path}, which the fence does: {error.strerror}") from error
        await self._ask(mine, tgt_protocol.system_show())
        if not await self._stragglers_gone(pid):
            raise DriverUnavailable(
                f"a management connection of an earlier holder is still open in tgtd (pid {pid}); "
                "end the process that holds it, or restart tgtd"
            )
        self._adopt(pid)

    def _find(self) -> tuple[int, Path]:
        # One that was restarted listens under the configured name again, so that name goes first.
        for path in [self._base, *sorted(self._base.parent.glob(f"{self._base.name}.*"))]:
            pid = peer_pid(path) if path.is_socket() else None
            if pid:
                return pid, path
            if pid == 0:
                raise DriverUnavailable(
                    f"tgtd at {path} is in another pid namespace; share it (shareProcessNamespace: true)"
                )
        raise DriverUnavailable(
            f"no tgtd answers at {self._base}; start it, or leave socketPath out to have one started"
        )


async def end_daemon(run_folder: Path) -> list[int]:
    """End every supervised tgtd of a run folder and remove its sockets. Returns the pids that were ended.

    A tgtd without targets is asked to leave, one with targets is killed: it would refuse.
    """
    pids = tgt_process.find_running(run_folder)
    for path in _sockets_in(run_folder):
        with contextlib.suppress(DriverError, ValueError):
            if peer_pid(path) in pids:
                await exchange(path, tgt_protocol.system_delete(), admit=lambda: None, limit=1.0)
    for pid in pids:
        handle = tgt_process.open_pidfd(pid)
        if handle is not None:
            try:
                leaving = not any(peer_pid(path) == pid for path in _sockets_in(run_folder))
                await asyncio.to_thread(tgt_process.wait_end, handle, 1.0 if leaving else 0.0)
            finally:
                os.close(handle)
            await asyncio.to_thread(tgt_process.kill_tgtd, pid, run_folder)
        tgt_process.reap(pid)
    for path in [*_sockets_in(run_folder), *run_folder.glob("ctl.*.lock")]:
        path.unlink(missing_ok=True)
    return pids


def _sockets_in(run_folder: Path) -> list[Path]:
    return [path for path in sorted(run_folder.glob("ctl.*")) if path.is_socket()]


def _require_free(listen: str) -> None:
    """Raise DriverUnavailable when somebody listens on `host:port` or nobody could."""
    host, _, port = listen.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((re.sub(r"[\[\]]", "", host), int(port)))
            probe.listen()
        except OSError as error:
            reason = os.strerror(error.errno or 0).lower()
            raise DriverUnavailable(
                f"cannot listen on {listen}: {reason}. Set the Backend's parameters listenAddress and port to a free "
                "one, or end the process that uses it"
            ) from error


def main(arguments: list[str]) -> int:
    """End the supervised tgtd of the run folder named on the command line."""
    if len(arguments) != 1:
        print("usage: python -m fairlead_operator.drivers.tgt_daemon RUN_FOLDER", file=sys.stderr)
        return 2
    ended = asyncio.run(end_daemon(Path(arguments[0])))
    print(f"ended tgtd: {', '.join(map(str, ended))}" if ended else "no tgtd runs there")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
