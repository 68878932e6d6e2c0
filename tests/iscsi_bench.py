"""A backend of the iSCSI driver to test against: drivers for one data folder, the nodes, and tgtd behind its back."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from fairlead_operator.drivers import tgt_process, tgt_protocol
from fairlead_operator.drivers.base import AccessMode, BackendVolume, ConnectionInfo, Credentials, ExportRequest
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from fairlead_operator.drivers.tgt_daemon import end_tgtd
from fairlead_operator.drivers.tgt_listing import Target, parse_targets
from fairlead_operator.drivers.tgt_socket import exchange, peer_pid
from iscsi import Access, Initiator, login, read_pattern, write_pattern
from iscsi_wire import WireInitiator
from waiting import eventually

PASSWORD = "Secret-of-the-test"
NODE = "iqn.2026-11.dev.fairlead.test:node"
OTHER_NODE = "iqn.2026-11.dev.fairlead.test:other"
PREFIX = "iqn.2026-11.dev.fairlead"


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

        async def ended() -> bool:
            await end_tgtd(self.run_folder)
            return self.running() == []

        # One that a test has only just started may not be recognisable as a tgtd at the first look.
        await eventually(ended, what="no tgtd is left")


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


async def in_charge(backend: TgtBackend, number: int) -> IscsiTgtDriver:
    driver = backend.driver()
    await driver.start()
    await driver.fence(f"{number}-test")
    return driver


async def request_for(
    driver: IscsiTgtDriver, *, handle: str = "att-1", node: str = NODE, size: int = 16 << 20
) -> ExportRequest:
    volume = BackendVolume(handle="vol-1", size=size)
    await driver.create_volume(volume)
    return ExportRequest(
        handle=handle,
        volume=volume,
        connector={"initiator": node},
        access_mode=AccessMode.READ_WRITE,
        credentials=Credentials(username=handle, password=PASSWORD),
    )


def access(backend: TgtBackend, handle: str = "att-1", node: str = NODE, password: str | None = PASSWORD) -> Access:
    return Access(
        portal=f"127.0.0.1:{backend.port}",
        target=f"{PREFIX}:{handle}",
        initiator=node,
        username=handle if password else None,
        password=password,
    )


def by_wire(backend: TgtBackend, *, handle: str = "att-1", receive_buffer: int | None = None) -> WireInitiator:
    return WireInitiator(
        portal=f"127.0.0.1:{backend.port}",
        target=f"{PREFIX}:{handle}",
        initiator=NODE,
        receive_buffer=receive_buffer,
    )


def unsent(port: int) -> int:
    """Bytes that wait behind a closed window in connections of that local port (/proc/net/tcp, timer 04)."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return sum(int(row[4][:8], 16) for row in rows if row[1].endswith(f":{port:04X}") and row[5].startswith("04:"))


async def nothing_goes_out(port: int) -> None:
    """Wait until tgtd has filled its send buffer: it grows until then."""
    seen = [0]

    def stands_still() -> bool:
        seen.append(unsent(port))
        return seen[-1] > 0 and len(seen) > 5 and len(set(seen[-5:])) == 1

    await eventually(stands_still, what="the node's window is closed and the send buffer is full")


async def only_target(backend: TgtBackend) -> Target:
    (target,) = parse_targets(await backend.ask(tgt_protocol.target_show()))
    return target
