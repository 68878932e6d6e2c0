"""The driver iscsi-tgt on a real tgtd with real nodes: the conformance suite, and what is tgtd's own."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from fairlead_operator import faultpoints
from fairlead_operator.drivers import tgt_process, tgt_protocol
from fairlead_operator.drivers.base import (
    AccessMode,
    BackendVolume,
    Credentials,
    Driver,
    DriverError,
    DriverUnavailable,
    ExportRequest,
    Fenced,
    OutOfSpace,
    UnknownOutcome,
)
from fairlead_operator.drivers.conformance import DriverConformance, DriverFactory, Faults
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from fairlead_operator.drivers.tgt_listing import Target, parse_accounts, parse_targets
from fairlead_operator.drivers.tgt_process import find_tgtd
from fairlead_operator.drivers.tgt_socket import exchange
from iscsi import Access, Initiator, disk_size, login
from iscsi_bench import IscsiNodes, TgtBackend, kill_daemon
from iscsi_wire import Refused, WireInitiator
from waiting import eventually

pytestmark = pytest.mark.skipif(shutil.which("tgtd", path="/usr/sbin:/usr/bin") is None, reason="needs tgt")

PASSWORD = "Secret-of-the-test"
NODE = "iqn.2026-11.dev.fairlead.test:node"
OTHER_NODE = "iqn.2026-11.dev.fairlead.test:other"
PREFIX = "iqn.2026-11.dev.fairlead"


class TestConformance(DriverConformance):
    create_fault_points = (
        "tgt.create.after-target",
        "tgt.create.after-lun",
        "tgt.create.after-account",
        "tgt.create.after-bind",
        "tgt.create.after-initiator",
    )
    remove_fault_points = (
        "tgt.remove.after-unbind",
        "tgt.remove.after-sessions",
        "tgt.remove.after-target",
        "tgt.remove.after-account",
    )

    @pytest_asyncio.fixture
    async def driver_factory(self, backend: TgtBackend) -> DriverFactory:
        return backend.driver

    @pytest.fixture
    def probe(self) -> IscsiNodes:
        return IscsiNodes()

    async def restart_daemon(self, driver: Driver) -> None:
        assert isinstance(driver, IscsiTgtDriver)
        kill_daemon(driver)

    async def make_foreign(self, driver: Driver) -> str:
        assert isinstance(driver, IscsiTgtDriver)
        name = "iqn.2026-11.org.example:not-ours"
        await driver._daemon.call(tgt_protocol.target_new(7, name))
        return name


@pytest_asyncio.fixture
async def backend(tmp_path: Path) -> AsyncIterator[TgtBackend]:
    backend = TgtBackend(tmp_path / "data", nodeTimeoutSeconds=4)
    yield backend
    await backend.close()


@pytest_asyncio.fixture
async def driver(backend: TgtBackend) -> IscsiTgtDriver:
    return await in_charge(backend, 1)


@pytest.fixture
def faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Faults:
    folder = tmp_path / "faults"
    folder.mkdir()
    monkeypatch.setattr(faultpoints, "_FOLDER", str(folder))
    return Faults(folder)


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


# --- exports ---------------------------------------------------------------------------------------------------------


async def test_connection_info_is_what_os_brick_expects(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    info = await driver.create_export(await request_for(driver))
    assert dict(info.data) == {
        "target_discovered": False,
        "target_portal": f"127.0.0.1:{backend.port}",
        "target_iqn": f"{PREFIX}:att-1",
        "target_lun": 1,
        "auth_method": "CHAP",
        "auth_username": "att-1",
    }


async def test_a_unit_keeps_its_identity_over_exports_and_restarts(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    request = await request_for(driver)
    await driver.create_export(request)
    first = (await only_target(backend)).luns[1]
    await driver.remove_export("att-1")
    before = driver.generation
    kill_daemon(driver)
    await eventually(lambda: driver.generation != before, what="tgtd runs again")
    await driver.create_export(await request_for(driver, handle="att-2", node=OTHER_NODE))
    again = (await only_target(backend)).luns[1]
    assert (again.scsi_id, again.scsi_sn) == (first.scsi_id, first.scsi_sn)


@pytest.mark.parametrize(
    "alteration",
    [
        "second initiator",
        "any address",
        "other initiator",
        "no initiator",
        "second account",
        "no account",
        "other account",
        "read-only",
        "no volume",
        "other volume",
        "second volume",
        "offline",
    ],
)
async def test_an_export_that_was_altered_is_made_right(
    backend: TgtBackend, driver: IscsiTgtDriver, alteration: str
) -> None:
    """Whatever an administrator or a half-done call left: afterwards it is exactly what was asked for."""
    request = await request_for(driver)
    await driver.create_volume(BackendVolume(handle="vol-2", size=16 << 20))
    await driver.create_export(request)
    right = await only_target(backend)
    tid, vol2 = right.tid, str(backend.data_dir / "volumes" / "vol-2.img")
    ask = backend.ask
    bind_address = tgt_protocol.Request(
        mode=tgt_protocol.Mode.TARGET, op=tgt_protocol.Op.BIND, tid=tid, text="initiator-address=ALL"
    )
    steps = {
        "second initiator": [tgt_protocol.initiator_bind(tid, OTHER_NODE)],
        "any address": [bind_address],
        "other initiator": [tgt_protocol.initiator_unbind(tid, NODE), tgt_protocol.initiator_bind(tid, OTHER_NODE)],
        "no initiator": [tgt_protocol.initiator_unbind(tid, NODE)],
        "second account": [tgt_protocol.account_new("x", PASSWORD), tgt_protocol.account_bind(tid, "x")],
        "no account": [tgt_protocol.account_unbind(tid, "att-1")],
        "other account": [
            tgt_protocol.account_unbind(tid, "att-1"),
            tgt_protocol.account_new("x", PASSWORD),
            tgt_protocol.account_bind(tid, "x"),
        ],
        "read-only": [tgt_protocol.lun_update(tid, 1, readonly="1")],
        "no volume": [tgt_protocol.lun_delete(tid, 1)],
        "other volume": [tgt_protocol.lun_delete(tid, 1), tgt_protocol.lun_new(tid, 1, vol2)],
        "second volume": [tgt_protocol.lun_new(tid, 2, vol2)],
        "offline": [tgt_protocol.target_state(tid, ready=False)],
    }[alteration]
    for step in steps:
        await ask(step)
    altered = await driver.get_export("att-1")
    assert altered is not None
    # Whole, but not what was asked for: only the caller can tell.
    assert altered.complete is (alteration in ("read-only", "other initiator"))
    await driver.create_export(request)
    remade = await only_target(backend)
    assert (remade.name, remade.luns[1], remade.accounts, remade.acl, remade.ready) == (
        right.name,
        right.luns[1],
        right.accounts,
        right.acl,
        True,
    )
    assert login(access(backend)).accepted
    assert not login(access(backend, password=None)).accepted
    assert not login(access(backend, node=OTHER_NODE)).accepted


async def test_nobody_gets_in_without_a_password_while_exports_come_and_go(
    backend: TgtBackend, driver: IscsiTgtDriver
) -> None:
    """A node of the right name tries without a break, in both ways that the protocol offers."""
    request = await request_for(driver)
    done = threading.Event()
    tries: list[str] = []

    def hammer(skip: bool) -> None:
        while not done.is_set():
            try:
                with by_wire(backend) as node:
                    node.skip_security() if skip else node.begin(method="None")
                tries.append("LET IN")
            except Refused:
                tries.append("refused")
            except ConnectionError:
                # tgtd hangs up at once while it has no targets.
                tries.append("closed")

    hammers = [asyncio.create_task(asyncio.to_thread(hammer, skip)) for skip in (True, False)]
    try:
        for _ in range(60):
            await driver.create_export(request)
            await backend.ask(tgt_protocol.lun_update((await only_target(backend)).tid, 1, readonly="1"))
            await driver.create_export(request)
            await driver.remove_export("att-1")
        await eventually(lambda: tries.count("refused") > 100, what="100 tries")
    finally:
        done.set()
        await asyncio.gather(*hammers)
    assert "LET IN" not in tries


async def test_a_login_that_stalls_half_way_ends_with_its_export(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    """It has passed every check but is no session yet, so it is in no list; the export made again is not its own."""
    request = await request_for(driver)
    await driver.create_export(request)
    with by_wire(backend) as node:
        node.begin()
        node.authenticate("att-1", PASSWORD)
        await driver.remove_export("att-1")
        await driver.create_export(request)
        with pytest.raises(Refused):
            node.finish()
    export = await driver.get_export("att-1")
    assert export is not None
    assert export.sessions == ()


async def test_a_node_that_hangs_does_not_hold_up_its_detachment(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    """Its receive window is closed, so tgtd cannot even end the connection; its own pings can."""
    await driver.create_export(await request_for(driver, size=128 << 20))
    with by_wire(backend, receive_buffer=4096) as node:
        node.begin()
        node.authenticate("att-1", PASSWORD)
        node.finish()
        node.ask_for(megabytes=100)
        await nothing_goes_out(backend.port)
        await driver.remove_export("att-1")
        assert await driver.get_export("att-1") is None
        assert node.closed()


async def test_an_alias_cannot_forge_the_listing(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    """A node's root chooses the alias, line breaks included, and tgtd prints it as it came."""
    await driver.create_export(await request_for(driver))
    before = await driver.get_export("att-1")
    forged = (
        "x\n    LUN information:\n        LUN: 0\n    Account information:\n    ACL information:\n"
        f"Target 5: {PREFIX}:att-1\n    System information:\n        State: ready\n"
        f"Target 6: {PREFIX}:att-9\n    System information:\n        State: ready\n"
    )
    with by_wire(backend) as node:
        node.begin(InitiatorAlias=forged)
        node.authenticate("att-1", PASSWORD)
        node.finish()
        listing = await driver.list_exports()
        assert not any(export.complete for handle, export in listing.ours.items() if handle != "att-1")
        await driver.create_export(await request_for(driver))
        await driver.remove_export("att-9")
    assert before is not None
    assert before.complete


async def test_a_password_is_left_alone_by_a_successor_and_replaced_when_unknown(
    backend: TgtBackend, driver: IscsiTgtDriver
) -> None:
    """The fingerprint tells them apart; the target's number tells whether it was remade."""
    request = await request_for(driver)
    await driver.create_export(request)
    first = await only_target(backend)
    successor = await in_charge(backend, 2)
    await successor.create_export(request)
    assert (await only_target(backend)).tid == first.tid
    await backend.ask(tgt_protocol.lun_update(first.tid, 0, scsi_sn="0" * 32))
    await successor.create_export(request)
    assert (await only_target(backend)).tid != first.tid
    assert login(access(backend)).accepted


async def test_an_account_left_by_an_earlier_life_is_replaced(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    request = await request_for(driver)
    await backend.ask(tgt_protocol.account_new("att-1", "Some-other-password"))
    await driver.create_export(request)
    assert login(access(backend)).accepted
    await driver.remove_export("att-1")
    assert parse_accounts(await backend.ask(tgt_protocol.account_show())) == []


async def test_names_that_tgtd_would_misread_are_refused(driver: IscsiTgtDriver) -> None:
    """tgtd looks for its options anywhere in a request, so such a name would admit everybody."""
    for name in (f"{NODE}:initiator-address=ALL", f"{NODE},initiator-address=ALL", f"{NODE} x", f"{NODE}\n"):
        with pytest.raises(DriverError):
            await driver.create_export(await request_for(driver, node=name))
    for handle in ("att_1", "ATT", "../att", "att,user=x", "a" * 65, ""):
        with pytest.raises(DriverError):
            await driver.get_export(handle)
        with pytest.raises(DriverError):
            await driver.delete_volume(handle)


async def test_a_login_after_growing_sees_the_new_size(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    """And a node that is logged in keeps the old one, undisturbed, until it logs in to the next export."""
    request = await request_for(driver)
    await driver.create_export(request)
    await driver.extend_volume(BackendVolume(handle="vol-1", size=32 << 20))
    assert disk_size(access(backend)) == 32 << 20
    with Initiator(access(backend)) as node:
        assert node.write(pattern=1)
        await driver.extend_volume(BackendVolume(handle="vol-1", size=64 << 20))
        assert node.write(pattern=2)
        export = await driver.get_export("att-1")
        assert export is not None
        assert export.complete
        assert len(export.sessions) == 1
    await driver.create_export(await request_for(driver, handle="att-2", node=OTHER_NODE))
    assert disk_size(access(backend, "att-2", OTHER_NODE)) == 64 << 20


@pytest.mark.parametrize("point", ["tgt.extend.after-offline", "tgt.extend.after-lun-delete"])
async def test_a_crash_while_growing_is_seen_and_mended(
    backend: TgtBackend, driver: IscsiTgtDriver, faults: Faults, point: str
) -> None:
    request = await request_for(driver)
    await driver.create_export(request)
    faults.arm(point)
    with pytest.raises(faultpoints.InjectedFault):
        await driver.extend_volume(BackendVolume(handle="vol-1", size=32 << 20))
    half = await driver.get_export("att-1")
    assert half is not None
    assert not half.complete
    await driver.create_export(request)
    assert disk_size(access(backend)) == 32 << 20


# --- the daemon ------------------------------------------------------------------------------------------------------


async def test_tgtd_survives_a_killed_operator_and_is_found_again(backend: TgtBackend, tmp_path: Path) -> None:
    """Its node notices neither; what the operator was making is made by the next one."""
    faults = tmp_path / "faults-of-the-first"
    faults.mkdir()
    (faults / "tgt.create.after-bind").write_text("kill")
    program = f"""
import asyncio
from fairlead_operator.drivers.base import *
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver

async def main():
    driver = IscsiTgtDriver(backend="test", parameters={backend.parameters!r})
    await driver.start()
    await driver.fence("1-test")
    volume = BackendVolume(handle="vol-1", size=16 << 20)
    await driver.create_volume(volume)
    print(driver.generation, flush=True)
    await driver.create_export(ExportRequest(
        handle="att-1", volume=volume, connector={{"initiator": "{NODE}"}}, access_mode=AccessMode.READ_WRITE,
        credentials=Credentials(username="att-1", password="{PASSWORD}"),
    ))

asyncio.run(main())
"""
    killed = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-"],
        input=program,
        env={**os.environ, "FAIRLEAD_FAULT_DIR": str(faults)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    successor = await in_charge(backend, 2)
    assert successor.generation == killed.stdout.strip()
    half = await successor.get_export("att-1")
    assert half is not None
    assert not half.complete
    await successor.create_export(await request_for(successor))
    assert login(access(backend)).accepted


async def test_a_daemon_that_died_is_back_at_once(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    for _ in range(3):
        before = driver.generation
        kill_daemon(driver)
        await eventually(lambda before=before: driver.generation != before, timeout=5, what="tgtd runs again")
        await driver.check()
    assert len(backend.running()) == 1


async def test_a_hung_daemon_is_an_unknown_outcome_and_no_hang(
    backend: TgtBackend, driver: IscsiTgtDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was only asked is unavailable; what was sent may have happened."""
    monkeypatch.setattr("fairlead_operator.drivers.tgt_socket.exchange.__kwdefaults__", {"limit": 0.2})
    request = await request_for(driver)
    (pid,) = backend.running()
    os.kill(pid, 19)
    try:
        with pytest.raises(UnknownOutcome):
            await driver.create_export(request)
        with pytest.raises(DriverUnavailable):
            await driver.list_exports()
    finally:
        os.kill(pid, 18)


async def test_a_missing_tgtd_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DriverUnavailable, match="apt-get install tgt"):
        find_tgtd(search_path=str(tmp_path))


async def test_a_taken_port_is_named_before_and_at_the_start(backend: TgtBackend) -> None:
    driver = backend.driver()
    await driver.start()
    with socket.socket() as occupant:
        occupant.bind(("127.0.0.1", backend.port))
        occupant.listen()
        with pytest.raises(DriverUnavailable, match=f"127.0.0.1:{backend.port}.*already in use"):
            await backend.driver().start()
        with pytest.raises(DriverUnavailable, match=f"127.0.0.1:{backend.port}.*already in use"):
            await driver.fence("1-test")
        assert backend.running() == []
    await driver.fence("1-test")
    await driver.check()


async def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    backend = TgtBackend(tmp_path / "file" / "data")
    with pytest.raises(DriverUnavailable, match=str(tmp_path / "file")):
        await backend.driver().start()


async def test_the_run_folder_may_be_deep(tmp_path: Path) -> None:
    """A socket's path has 107 bytes at most; nobody shall have to know."""
    backend = TgtBackend(tmp_path / ("d" * 80) / ("e" * 80))
    try:
        driver = await in_charge(backend, 1)
        await driver.create_export(await request_for(driver))
        assert login(access(backend)).accepted
    finally:
        await backend.close()


async def test_the_daemon_ends_by_its_run_folder_alone(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    """With exports and without; twice is as good as once."""
    await driver.create_export(await request_for(driver))
    await driver.stop()
    (pid,) = backend.running()
    command = [sys.executable, "-m", "fairlead_operator.drivers.tgt_daemon", str(backend.run_folder)]
    for said in (f"ended tgtd: {pid}", "no tgtd runs there"):
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == said
    assert backend.running() == []
    again = await in_charge(backend, 2)
    await again.shutdown_daemon()
    assert backend.running() == []


# --- the fence -------------------------------------------------------------------------------------------------------


async def test_nothing_may_be_done_before_the_first_fence(backend: TgtBackend) -> None:
    driver = backend.driver()
    await driver.start()
    for attempt in (driver.check, driver.list_exports, lambda: driver.remove_export("att-1")):
        with pytest.raises(Fenced):
            await attempt()
    assert backend.running() == []


async def test_a_late_tenure_cannot_end_a_later_one(backend: TgtBackend) -> None:
    """A holder that slept through its own tenure begins it when its successor is at work."""
    late = backend.driver()
    await late.start()
    present = await in_charge(backend, 2)
    with pytest.raises(Fenced):
        await late.fence("1-test")
    await present.check()


async def test_a_command_held_back_over_the_fence_never_takes_effect(
    backend: TgtBackend, driver: IscsiTgtDriver, faults: Faults
) -> None:
    """The deposed holder was stopped between connecting and sending, which no renaming of the socket can help."""
    request = await request_for(driver)
    faults.arm("tgt.before-send", "pause")
    late = asyncio.create_task(driver.create_export(request))
    await eventually(lambda: faults.reached("tgt.before-send"), what="the command is held back")
    before = driver.generation
    present = await in_charge(backend, 2)
    assert present.generation != before, "only a new tgtd is surely without the old connection"
    faults.release("tgt.before-send")
    with pytest.raises((Fenced, UnknownOutcome)):
        await late
    assert (await present.list_exports()).ours == {}


async def test_a_command_is_refused_even_if_its_way_was_reopened(
    backend: TgtBackend, driver: IscsiTgtDriver, faults: Faults
) -> None:
    """Two late acts of a deposed holder meet: it renames the socket back, and then connects."""
    request = await request_for(driver)
    faults.arm("tgt.before-connect", "pause")
    late = asyncio.create_task(driver.create_export(request))
    await eventually(lambda: faults.reached("tgt.before-connect"), what="the command is held back")
    await in_charge(backend, 2)
    (backend.run_folder / "ctl.2-test.0").rename(backend.run_folder / "ctl.1-test.0")
    faults.release("tgt.before-connect")
    with pytest.raises(Fenced):
        await late
    assert parse_targets(await backend.ask(tgt_protocol.target_show())) == []


async def test_only_the_holder_starts_a_daemon_that_died(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    """Both notice; one of them has been deposed."""
    present = await in_charge(backend, 2)
    before = present.generation
    kill_daemon(present)
    await eventually(lambda: present.generation != before, what="the holder started it again")
    with pytest.raises(Fenced):
        await driver.check()
    await present.check()
    assert backend.running() == [int(present.generation.partition("-")[0])]


async def test_a_deposed_holder_stopped_before_starting_a_daemon_starts_none(
    backend: TgtBackend, driver: IscsiTgtDriver, faults: Faults
) -> None:
    faults.arm("tgt.start.before-spawn", "pause")
    kill_daemon(driver)
    await eventually(lambda: faults.reached("tgt.start.before-spawn"), what="the old holder is about to start it")
    present = await in_charge(backend, 2)
    faults.release("tgt.start.before-spawn")
    assert driver._daemon._watch is not None
    await asyncio.wait_for(asyncio.shield(driver._daemon._watch), 10)
    assert not (backend.run_folder / "ctl.1-test.0.lock").exists(), "a tgtd that starts leaves its lock file"
    assert backend.running() == [int(present.generation.partition("-")[0])]
    await present.check()


@pytest.mark.parametrize("order", ["before", "after"])
async def test_a_stray_daemon_of_a_deposed_holder_does_no_harm(backend: TgtBackend, order: str) -> None:
    """It was stopped after its last check, so it does start one: it gets the port or it does not."""
    first = backend.driver()
    await first.start()

    def stray() -> int:
        return tgt_process.start_tgtd(
            backend.run_folder, socket_stem="ctl.0-old", portal=f"127.0.0.1:{backend.port}", io_threads=1
        )

    if order == "before":
        stray()
    else:
        await first.fence("1-test")
        stray()
    await first.fence("1-test")
    await first.create_export(await request_for(first))
    assert login(access(backend)).accepted

    async def alone() -> bool:
        await first.check()
        return backend.running() == [int(first.generation.partition("-")[0])]

    await eventually(alone, what="the stray is ended")
    assert set((await first.list_exports()).ours) == {"att-1"}


async def test_a_socket_renamed_back_by_a_deposed_holder_is_found(backend: TgtBackend, driver: IscsiTgtDriver) -> None:
    """The deposed one still cannot use it, and the holder has it back with its exports."""
    await driver.create_export(await request_for(driver))
    present = await in_charge(backend, 2)
    (backend.run_folder / "ctl.2-test.0").rename(backend.run_folder / "ctl.1-test.0")
    with pytest.raises(Fenced):
        await driver.list_exports()

    async def answers() -> bool:
        try:
            return set((await present.list_exports()).ours) == {"att-1"}
        except DriverUnavailable:
            return False

    await eventually(answers, what="the holder found its socket again")


# --- a tgtd that somebody else runs ----------------------------------------------------------------------------------


async def test_an_existing_daemon_is_taken_over_and_followed_over_its_restart(
    backend: TgtBackend, tmp_path: Path
) -> None:
    """Its socket's own name belongs to nobody while the driver is in charge."""
    theirs = tmp_path / "theirs"
    theirs.mkdir()

    def start() -> int:
        return tgt_process.start_tgtd(theirs, socket_stem="socket", portal=f"127.0.0.1:{backend.port}", io_threads=1)

    backend.parameters = {
        "dataDir": str(backend.data_dir),
        "socketPath": str(theirs / "socket.0"),
        "portal": f"127.0.0.1:{backend.port}",
    }
    pid = start()
    try:
        driver = backend.driver()
        await eventually(lambda: (theirs / "socket.0").is_socket(), what="their tgtd listens")
        await driver.start()
        await driver.fence("1-test")
        request = await request_for(driver)
        await driver.create_export(request)
        assert login(access(backend)).accepted
        with pytest.raises(DriverUnavailable):
            await exchange(theirs / "socket.0", tgt_protocol.system_show(), admit=lambda: None)
        present = await in_charge(backend, 2)
        with pytest.raises(Fenced):
            await driver.check()
        before = present.generation
        tgt_process.kill_tgtd(pid, theirs)
        with pytest.raises(DriverError):
            await present.check()
        pid = start()
        await eventually(lambda: present.generation != before, what="their tgtd is back")
        await present.create_export(request)
        assert login(access(backend)).accepted
        await present.shutdown_daemon()
        assert tgt_process.find_running(theirs) == [pid], "it is theirs, so it goes on"
    finally:
        tgt_process.kill_tgtd(pid, theirs)


# --- a small file system ---------------------------------------------------------------------------------------------


@pytest.fixture
def small_folder(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this user may not mount")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


async def test_a_full_file_system_is_out_of_space(small_folder: Path) -> None:
    """More may be promised than there is; what could never fit, and what does not fit now, is refused."""
    backend = TgtBackend(small_folder)
    try:
        driver = await in_charge(backend, 1)
        for number in range(3):
            await driver.create_volume(BackendVolume(handle=f"vol-{number}", size=6 << 20))
        with pytest.raises(OutOfSpace, match="cannot fit"):
            await driver.create_volume(BackendVolume(handle="vol-large", size=9 << 20))
        with pytest.raises(OutOfSpace, match="cannot fit"):
            await driver.extend_volume(BackendVolume(handle="vol-0", size=9 << 20))
        (small_folder / "filler").write_bytes(bytes((await driver.stats()).free))
        with pytest.raises(OutOfSpace, match="no space left"):
            await driver.create_volume(BackendVolume(handle="vol-late", size=1 << 20))
        assert await driver.volume_size("vol-late") is None
        assert sorted(path.name for path in (small_folder / "volumes").iterdir()) == [
            "vol-0.img",
            "vol-1.img",
            "vol-2.img",
        ]
    finally:
        await backend.close()
