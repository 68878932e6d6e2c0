"""Exports of iscsi-tgt: what is tgtd's own, and nodes that misbehave."""

import asyncio
import threading

import pytest

from fairlead_operator import faultpoints
from fairlead_operator.drivers import tgt_protocol
from fairlead_operator.drivers.base import BackendVolume, DriverError
from fairlead_operator.drivers.conformance import Faults
from fairlead_operator.drivers.iscsi_tgt import IscsiTgtDriver
from fairlead_operator.drivers.tgt_listing import parse_accounts
from iscsi import Initiator, disk_size, login
from iscsi_bench import (
    NODE,
    OTHER_NODE,
    PASSWORD,
    PREFIX,
    TgtBackend,
    access,
    by_wire,
    in_charge,
    kill_daemon,
    nothing_goes_out,
    only_target,
    request_for,
)
from iscsi_wire import Refused
from waiting import eventually


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
