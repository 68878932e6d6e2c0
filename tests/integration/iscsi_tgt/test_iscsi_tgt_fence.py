"""The fence: what a deposed holder tries, stopped at the worst places, and a tgtd that somebody else runs."""

import asyncio
from pathlib import Path

import pytest

from fairlead_operator.drivers import tgt_process, tgt_protocol
from fairlead_operator.drivers.base import DriverError, DriverUnavailable, Fenced, UnknownOutcome
from fairlead_operator.drivers.conformance import Faults
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from fairlead_operator.drivers.tgt_listing import parse_targets
from fairlead_operator.drivers.tgt_socket import exchange
from iscsi import login
from iscsi_bench import TgtBackend, access, in_charge, kill_daemon, request_for
from waiting import eventually


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
