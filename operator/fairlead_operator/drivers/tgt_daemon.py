"""A tgtd that this driver starts in its run folder, finds again after a restart of the operator, and starts again.

`python -m fairlead_operator.drivers.tgt_daemon RUN_FOLDER` ends it, from the run folder alone.
"""

import asyncio
import contextlib
import os
import re
import socket
import sys
import time
from pathlib import Path

from fairlead_operator.drivers import tgt_process, tgt_protocol
from fairlead_operator.drivers.base import DriverError, DriverUnavailable
from fairlead_operator.drivers.tgt_fence import TgtDaemon
from fairlead_operator.drivers.tgt_listing import parse_portals
from fairlead_operator.drivers.tgt_socket import exchange, peer_pid
from fairlead_operator.faultpoints import faultpoint

_READY_LIMIT = 20.0


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
        await end_tgtd(self._run_folder)

    def _control(self, epoch: str) -> Path:
        return self._run_folder / f"ctl.{epoch}.0"

    async def check(self) -> None:
        """Ask for a sign of life, end strays, and keep the log from growing without end."""
        await super().check()
        async with self._establishing:
            self.require()
            for pid in set(await asyncio.to_thread(tgt_process.find_running, self._run_folder)) - {self._pid}:
                await asyncio.to_thread(tgt_process.kill_tgtd, pid, self._run_folder)
        await asyncio.to_thread(tgt_process.turn_log, self._run_folder)

    async def _establish(self, epoch: str) -> None:
        # Several rounds: what is found may have kept an old holder's connection and is killed, and what is started may
        # lose the port to a stray that a deposed holder has started just now.
        for last in (False, False, True):
            self._record.require(epoch)
            found = await self._find()
            try:
                pid = await self._start(epoch) if found is None else await self._take(epoch, *found)
            except DriverUnavailable:
                if last or not await asyncio.to_thread(tgt_process.find_running, self._run_folder):
                    raise
                continue
            if pid is not None:
                self._adopt(pid)
                await asyncio.to_thread(self._tidy, self._control(epoch))
                return
        raise DriverUnavailable("tgtd was restarted and again has a connection of an earlier holder; trying again")

    async def _take(self, epoch: str, pid: int, path: Path) -> int | None:
        """Make a running tgtd ours alone; None when it had to be killed for that."""
        mine = self._control(epoch)
        await faultpoint("tgt.fence.before-rename")
        if path != mine:
            os.rename(path, mine)
        await self._ask(mine, tgt_protocol.system_show())
        if await self._stragglers_gone(pid):
            return pid
        await asyncio.to_thread(tgt_process.kill_tgtd, pid, self._run_folder)
        return None

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


async def end_tgtd(run_folder: Path) -> list[int]:
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
    _forget_sockets(run_folder)
    return pids


def _forget_sockets(run_folder: Path) -> None:
    for path in [*_sockets_in(run_folder), *run_folder.glob("ctl.*.lock")]:
        path.unlink(missing_ok=True)


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
    ended = asyncio.run(end_tgtd(Path(arguments[0])))
    print(f"ended tgtd: {', '.join(map(str, ended))}" if ended else "no tgtd runs there")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
