"""A backend of the iSCSI driver to test against: drivers for one data folder, the nodes, and tgtd behind its back."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from fairlead_operator.drivers import tgt_process, tgt_protocol
from fairlead_operator.drivers.base import ConnectionInfo, Credentials
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from fairlead_operator.drivers.tgt_daemon import end_tgtd
from fairlead_operator.drivers.tgt_socket import exchange, peer_pid
from iscsi import Access, Initiator, login, read_pattern, write_pattern


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class TgtBackend:
    """One data folder and port, for any number of driver instances, as of successive operators."""

    def __init__(self, data_dir: Path, **parameters: object) -> None:
        self.data_dir = data_dir
        self.run_folder = data_dir / "run"
        self.port = free_port()
        self.parameters = {"dataDir": str(data_dir), "port": self.port, **parameters}
        self._drivers: list[IscsiTgtDriver] = []

    def driver(self) -> IscsiTgtDriver:
        """Another instance."""
        driver = IscsiTgtDriver(backend="test", parameters=self.parameters)
        self._drivers.append(driver)
        return driver

    def running(self) -> list[int]:
        """Pids of this backend's tgtds."""
        return tgt_process.find_running(self.run_folder)

    async def ask(self, request: tgt_protocol.Request) -> str:
        """Speak to tgtd as an administrator would, past the driver and its fence."""
        (path,) = [path for path in self.run_folder.glob("ctl.*") if path.is_socket() and peer_pid(path)]
        return await exchange(path, request, admit=lambda: None)

    async def close(self) -> None:
        """Stop every instance and end tgtd; nothing stays."""
        for driver in self._drivers:
            await driver.stop()
        await end_tgtd(self.run_folder)
        assert self.running() == []


class IscsiNodes:
    """The conformance suite's nodes, by libiscsi."""

    async def can_login(self, info: ConnectionInfo, credentials: Credentials | None, initiator: str) -> bool:
        return (await asyncio.to_thread(login, _access(info, credentials, initiator))).accepted

    async def write(self, info: ConnectionInfo, credentials: Credentials, initiator: str, pattern: int) -> bool:
        return await asyncio.to_thread(write_pattern, _access(info, credentials, initiator), pattern=pattern)

    async def reads(self, info: ConnectionInfo, credentials: Credentials, initiator: str, pattern: int) -> bool:
        return await asyncio.to_thread(read_pattern, _access(info, credentials, initiator), pattern=pattern)

    @contextlib.asynccontextmanager
    async def session(
        self, info: ConnectionInfo, credentials: Credentials, initiator: str
    ) -> AsyncIterator["LastingNode"]:
        with Initiator(_access(info, credentials, initiator)) as node:
            yield LastingNode(node)


class LastingNode:
    """One of them that stays logged in."""

    def __init__(self, node: Initiator) -> None:
        self._node = node

    async def write(self, pattern: int) -> bool:
        return await self._node.awrite(pattern=pattern)

    async def begin_write(self, pattern: int) -> None:
        self._node.begin_write(pattern=pattern)


def kill_daemon(driver: IscsiTgtDriver) -> None:
    """Kill the tgtd that a driver commands, as a crash would."""
    pid = int(driver.generation.partition("-")[0])
    assert Path(f"/proc/{pid}/comm").read_text().strip() == "tgtd"
    os.kill(pid, 9)


def _access(info: ConnectionInfo, credentials: Credentials | None, initiator: str) -> Access:
    if credentials is None:
        return Access.of(info.data, initiator)
    return Access.of(info.data, initiator, credentials.username, credentials.password)
