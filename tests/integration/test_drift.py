"""The backend changes behind the operator's back: what is ours is put right, what is not is reported, all is said."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster, condition, holders, reason
from fairlead_crds import names
from fairlead_operator.drivers import tgt_process
from fairlead_operator.drivers import tgt_protocol as tgt
from iscsi import Initiator, login
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"


@pytest.fixture
def cluster(own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    own_backend.start()
    own_backend.wait_ready()
    cluster = Cluster(admin, namespace)
    yield cluster
    cluster.remove_all()
    own_backend.end_operators()


def exported(cluster: Cluster, own_backend: OwnBackend) -> Any:
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("mine", "data", NODE)
    return cluster.access(cluster.wait_exported("mine"), NODE)


def backend(admin: client.ApiClient, name: str) -> Any:
    return client.CustomObjectsApi(admin).get_cluster_custom_object(names.GROUP, names.VERSION, "backends", name)


@pytest.mark.parametrize("how", ["removed", "opened to everybody", "bound to another"])
def test_a_target_altered_by_hand_is_put_right(own_backend: OwnBackend, cluster: Cluster, how: str) -> None:
    access = exported(cluster, own_backend)
    tid = own_backend.targets()[access.target]
    stranger = "iqn.2026-11.org.example:stranger"
    if how == "removed":
        own_backend.ask(tgt.target_delete(tid, force=True))
    elif how == "opened to everybody":
        own_backend.ask(tgt.initiator_bind(tid, stranger))
    else:
        own_backend.ask(tgt.initiator_unbind(tid, NODE))
        own_backend.ask(tgt.initiator_bind(tid, stranger))

    def right() -> bool:
        theirs = type(access)(
            portal=access.portal,
            target=access.target,
            initiator=stranger,
            username=access.username,
            password=access.password,
        )
        return login(access).accepted and not login(theirs).accepted

    wait_for(right, what="the export is as it should be", timeout=30)


def test_foreign_targets_are_reported_and_left_alone(
    own_backend: OwnBackend, cluster: Cluster, admin: client.ApiClient
) -> None:
    name = "iqn.2001-01.com.example:somebody-elses"
    own_backend.ask(tgt.target_new(4242, name))
    try:
        told = wait_for(lambda: backend(admin, own_backend.name)["status"].get("unknownExports"), what="reported")
        assert told == {"count": 1, "names": [name]}
        assert own_backend.targets()[name] == 4242
    finally:
        own_backend.ask(tgt.target_delete(4242))
    wait_for(lambda: not backend(admin, own_backend.name)["status"].get("unknownExports"), what="no longer reported")


def test_an_export_of_ours_that_no_attachment_owns_is_removed(own_backend: OwnBackend, cluster: Cluster) -> None:
    access = exported(cluster, own_backend)
    prefix = access.target.rpartition(":")[0]
    orphan = f"{prefix}:11111111-2222-4333-8444-555555555555"
    own_backend.ask(tgt.target_new(4243, orphan))
    wait_for(lambda: orphan not in own_backend.targets(), what="the orphan is gone", timeout=30)
    assert login(access).accepted


@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_lost_data_are_said_and_no_new_attachment_gets_them(
    own_backend: OwnBackend, cluster: Cluster, how: str
) -> None:
    volume = cluster.volume("data", backendName=own_backend.name)
    file = own_backend.data / "volumes" / f"{volume['status']['handle']}.img"
    aside = file.with_suffix(".aside")
    if how == "missing":
        file.rename(aside)
    else:
        aside.write_bytes(b"")
        os.truncate(file, 4096)
    lost = cluster.wait("Volume", "data", lambda v: v["status"]["phase"] == "Failed", "lost")
    assert reason(lost, "Ready")[0] == "VolumeLost"
    cluster.attach("mine", "data", NODE)
    waiting = cluster.wait("Attachment", "mine", lambda a: condition(a, "Admitted") == "False", "waits")
    assert reason(waiting, "Admitted")[0] == "VolumeNotReady"

    if how == "missing":
        aside.rename(file)
    else:
        aside.unlink()
        os.truncate(file, 64 * 2**20)
    cluster.wait_exported("mine")


def test_a_tgtd_that_hangs_is_replaced_and_its_nodes_go_on(own_backend: OwnBackend, cluster: Cluster) -> None:
    access = exported(cluster, own_backend)
    with Initiator(access) as node:
        assert node.write(pattern=1)
        [pid] = tgt_process.find_running(own_backend.data / "run")
        os.kill(pid, signal.SIGSTOP)
        cluster.create("Volume", "other", {"size": "1Mi", "backendName": own_backend.name})
        cluster.attach("second", "other", f"{NODE}-2")

        cluster.wait_exported("second", timeout=90)
        assert tgt_process.find_running(own_backend.data / "run") != [pid]
        assert node.write(pattern=2)


def test_a_backend_deleted_while_in_use_stays_until_it_is_free(
    own_backend: OwnBackend, cluster: Cluster, admin: client.ApiClient
) -> None:
    access = exported(cluster, own_backend)
    objects = client.CustomObjectsApi(admin)
    objects.delete_cluster_custom_object(names.GROUP, names.VERSION, "backends", own_backend.name)
    try:
        told = wait_for(
            lambda: (found := backend(admin, own_backend.name)) and reason(found, "Ready")[0] == "Held" and found,
            what="the Backend says what it waits for",
        )
        assert "1 Attachments" in reason(told, "Ready")[1]
        assert login(access).accepted
        cluster.create("Volume", "late", {"size": "1Mi", "backendName": own_backend.name})
        refused = cluster.wait("Volume", "late", lambda v: condition(v, "Ready") == "False", "refused")
        assert "being deleted" in reason(refused, "Ready")[1]

        for kind, name in (("Attachment", "mine"), ("Volume", "late"), ("Volume", "data")):
            cluster.delete(kind, name)
            cluster.wait_gone(kind, name)

        def gone() -> bool:
            try:
                backend(admin, own_backend.name)
            except client.ApiException as error:
                return bool(error.status == 404)
            return False

        wait_for(gone, what="the Backend is gone with its last user", timeout=30)
    finally:
        own_backend.stack.add_backend(own_backend.name)


def test_a_lost_ledger_is_rebuilt_for_those_whose_exports_live(
    own_backend: OwnBackend, cluster: Cluster, admin: client.ApiClient
) -> None:
    """As after a restore: no status anywhere, the exports still there, and somebody else waiting."""
    access = exported(cluster, own_backend)
    cluster.attach("waiter", "data", f"{NODE}-2")
    cluster.wait("Attachment", "waiter", lambda a: reason(a, "Admitted")[0] == "VolumeInUse", "waits")
    operator = own_backend.stack.processes["operator"]
    with Initiator(access) as node:
        assert node.write(pattern=1)
        number = own_backend.targets()[access.target]
        operator.kill()
        for kind, name in (("volumes", "data"), ("attachments", "mine"), ("attachments", "waiter")):
            client.CustomObjectsApi(admin).patch_namespaced_custom_object_status(
                names.GROUP,
                names.VERSION,
                cluster.namespace,
                kind,
                name,
                [{"op": "remove", "path": "/status"}],
                _content_type="application/json-patch+json",
            )
        operator.restart()

        cluster.wait_exported("mine")
        assert own_backend.targets()[access.target] == number
        assert node.write(pattern=2)
    told = cluster.wait("Attachment", "waiter", lambda a: reason(a, "Admitted")[0] == "VolumeInUse", "waits again")
    assert "Attachment mine" in reason(told, "Admitted")[1]
    assert holders(cluster.get("Volume", "data") or {}) == ["mine"]
