"""The supervised tgtd over crashes of its own and of the operator, and what stands in its way."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead_operator.drivers.base import (
    BackendVolume,
    DriverUnavailable,
    OutOfSpace,
    UnknownOutcome,
)
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from fairlead_operator.drivers.tgt_process import find_tgtd
from iscsi import login
from iscsi_bench import NODE, PASSWORD, TgtBackend, access, in_charge, kill_daemon, request_for
from waiting import eventually


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
