"""Real faults, and the alert that each raises in a real Prometheus with the shipped rules (their waits shortened)."""

import itertools
import os
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster
from facades import facade
from fairlead_crds import names
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.service_account import service_account_kubeconfig
from fairlead_operator.drivers import tgt_protocol as tgt
from fairlead_operator.drivers.iscsi_tgt_parameters import IscsiTgtParameters
from iscsi import Initiator
from own_backend import OwnBackend
from rest import Rest
from waiting import wait_for
from wire import Wire, by_way_of

NODE = "iqn.2026-11.org.example:node"


def fires(watched: Any, alert: str, *, timeout: float = 60.0, **about: str) -> None:
    wait_for(lambda: watched.prometheus.firing_for(alert, **about), what=f"{alert} fires", timeout=timeout)


def silent(watched: Any, alert: str, *, timeout: float = 60.0, **about: str) -> None:
    wait_for(lambda: not watched.prometheus.firing_for(alert, **about), what=f"{alert} is over", timeout=timeout)


def test_all_is_well(watched: Any) -> None:
    wait_for(lambda: watched.prometheus.query("fairlead_backend_ready"), what="it is scraped")
    # This machine's disk may be full; and of what nothing happens to, the API server speaks once a minute.
    apart = {"FairleadBackendAlmostFull", "FairleadCacheStale"}
    wait_for(lambda: watched.prometheus.firing() <= apart, what="nothing fires", timeout=60)


def test_an_attachment_waits_for_too_long(watched: Any, cluster: Cluster) -> None:
    cluster.volume("data", backendName=watched.own.name)
    cluster.attach("holder", "data", NODE)
    cluster.wait_exported("holder")
    cluster.attach("waiting", "data", f"{NODE}-2")
    fires(watched, "FairleadAttachmentsOverdue")
    cluster.remove_all()
    silent(watched, "FairleadAttachmentsOverdue")


def test_a_detach_waits_for_its_node(watched: Any, cluster: Cluster) -> None:
    cluster.volume("data", backendName=watched.own.name)
    cluster.attach("polite", "data", NODE, detachPolicy="WaitForLogout")
    access = cluster.access(cluster.wait_exported("polite"), NODE)
    with Initiator(access) as node:
        assert node.write(pattern=1)
        cluster.delete("Attachment", "polite")
        fires(watched, "FairleadDetachStuck")
    cluster.remove_all()
    silent(watched, "FairleadDetachStuck")


def test_an_export_of_somebody_else_appears(watched: Any) -> None:
    watched.own.ask(tgt.target_new(4242, "iqn.2026-11.org.example:somebody-else"))
    fires(watched, "FairleadUnknownExports")
    watched.own.ask(tgt.target_delete(4242, force=True))
    silent(watched, "FairleadUnknownExports")


def test_a_volume_s_data_are_cut_short(watched: Any, cluster: Cluster) -> None:
    volume = cluster.volume("data", backendName=watched.own.name)
    [file] = [
        path for path in watched.own.data.rglob("*") if volume["status"]["handle"] in path.name and path.is_file()
    ]
    os.truncate(file, 4096)
    fires(watched, "FairleadVolumesLost")
    os.truncate(file, 64 * 2**20)
    silent(watched, "FairleadVolumesLost")


def test_an_export_is_left_that_nobody_owns(watched: Any) -> None:
    name = f"{IscsiTgtParameters.model_fields['iqn_prefix'].default}:{uuid.uuid4()}"
    watched.own.ask(tgt.target_new(4243, name))
    fires(watched, "FairleadOrphansRemoved")
    assert name not in watched.own.targets()


def test_a_volume_does_not_fit(watched: Any, cluster: Cluster) -> None:
    cluster.create("Volume", "huge", {"size": "1Pi", "backendName": watched.own.name})
    fires(watched, "FairleadDriverErrors")
    cluster.remove_all()


def test_a_watch_keeps_changes_from_us(watched: Any, cluster: Cluster) -> None:
    """The one Attachment there is changes, and the operator is not told."""
    cluster.volume("data", backendName=watched.own.name)
    watched.faults.set("watch.attachments.unheard", "pause")
    cluster.attach("unheard", "data", NODE)
    watched.faults.wait_reached("watch.attachments.unheard")
    fires(watched, "FairleadWatchBehind", timeout=90)
    watched.faults.go("watch.attachments.unheard")
    silent(watched, "FairleadWatchBehind")
    cluster.wait_exported("unheard")


def test_all_passes_are_busy(watched: Any, cluster: Cluster) -> None:
    faults = watched.restart_operator("--concurrency", "1")
    cluster.volume("data", backendName=watched.own.name)
    faults.set("attach.before-ledger", "pause")
    cluster.attach("slow", "data", NODE)
    faults.wait_reached("attach.before-ledger")
    cluster.attach("behind", "data", f"{NODE}-2")
    fires(watched, "FairleadQueueStuck")
    faults.go("attach.before-ledger")
    silent(watched, "FairleadQueueStuck")
    watched.restart_operator()


def test_an_export_takes_long(watched: Any, cluster: Cluster) -> None:
    """After a quick one, so that what is fired for is the change."""
    backend = watched.own.name
    cluster.volume("data", backendName=backend)
    cluster.attach("quick", "data", NODE)
    cluster.wait_exported("quick")
    exports = f'fairlead_attachment_stage_duration_seconds_count{{backend="{backend}",stage="exported"}}'
    wait_for(lambda: watched.prometheus.query(exports), what="it is timed")
    cluster.remove_all()
    silent(watched, "FairleadSlowAttach")
    cluster.volume("other", backendName=backend)
    watched.faults.set("attach.before-export", "pause")
    cluster.attach("slow", "other", NODE)
    watched.faults.wait_reached("attach.before-export")
    scrapes = watched.prometheus.scrapes("operator")
    wait_for(lambda: watched.prometheus.scrapes("operator") >= scrapes + 8, what="it is seen to hang", timeout=60)
    watched.faults.go("attach.before-export")
    cluster.wait_exported("slow")
    fires(watched, "FairleadSlowAttach")
    cluster.remove_all()
    silent(watched, "FairleadSlowAttach")


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to mount a file system")
def test_a_file_system_fills(watched: Any, control_plane: ControlPlane) -> None:
    """One of a Backend's own, in a mount namespace that ends with its operator and daemon."""
    mount = 'mount -t tmpfs -o size=16m none "$0" && exec "$@"'
    with ScratchFolder("small") as scratch:
        small = OwnBackend(control_plane, scratch.path)
        volumes = small.data / "volumes"
        volumes.mkdir()
        try:
            operator, _ = small.start(
                launcher=("unshare", "--mount", "sh", "-c", mount, str(volumes)),
                more=("--metrics-port", str(watched.spare)),
            )
            small.wait_ready()
            ballast = Path(f"/proc/{operator.pid}/root{volumes}/ballast")
            free = f'fairlead_backend_free_bytes{{backend="{small.name}"}}'
            wait_for(lambda: watched.prometheus.query(free), what="it is scraped")
            assert not watched.prometheus.firing_for("FairleadBackendAlmostFull", backend=small.name)
            ballast.write_bytes(bytes(15 * 2**20))
            fires(watched, "FairleadBackendAlmostFull", backend=small.name)
            ballast.unlink()
            silent(watched, "FairleadBackendAlmostFull", backend=small.name)
        finally:
            small.remove()


def test_a_facade_hears_nothing_any_more(
    watched: Any, control_plane: ControlPlane, admin: client.ApiClient, namespace: str
) -> None:
    """Something happens to a namespace all the time, and the facade is not told."""
    about = {"job": "spare", "resource": "namespaces"}
    core, turns = client.CoreV1Api(admin), itertools.count()

    def while_it_changes(fires: bool) -> bool:
        core.patch_namespace(namespace, {"metadata": {"annotations": {"example.org/turn": str(next(turns))}}})
        return bool(watched.prometheus.firing_for("FairleadCacheStale", **about) is fires)

    wire = Wire(int(control_plane.url.rpartition(":")[2]))
    try:
        launcher = by_way_of(wire.url, watched.own.stack, "deaf", account=names.FACADE_ACCOUNT)
        with facade(watched.own.stack, "deaf", "--metrics-port", str(watched.spare), launcher=launcher):
            heard = 'time() - fairlead_cache_last_heard_timestamp_seconds{job="spare",resource="namespaces"} < 2'
            wait_for(lambda: while_it_changes(False) and watched.prometheus.query(heard), what="it hears", timeout=60)
            wire.silence()
            wait_for(lambda: while_it_changes(True), what="FairleadCacheStale fires", timeout=60)
            wire.restore()
            wait_for(lambda: while_it_changes(False), what="it is over", timeout=60)
    finally:
        wire.close()


@pytest.fixture
def poor(admin: client.ApiClient, kubeconfig: Path, namespace: str, tmp_path: Path) -> Iterator[Path]:
    """Kubeconfig of an account with the facade's rights but one: to create Volumes."""
    rbac = client.RbacAuthorizationV1Api(admin)
    rules = rbac.read_cluster_role(names.FACADE_ACCOUNT).rules
    for rule in rules:
        rule.verbs = [verb for verb in rule.verbs if verb != "create" or "volumes" not in rule.resources]
    meta = client.V1ObjectMeta(name=f"poor-{namespace}")
    account = client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="poor"))
    client.CoreV1Api(admin).create_namespaced_service_account(namespace, account)
    rbac.create_cluster_role(client.V1ClusterRole(metadata=meta, rules=rules))
    reference = client.V1RoleRef(api_group="rbac.authorization.k8s.io", kind="ClusterRole", name=meta.name)
    subject = client.RbacV1Subject(kind="ServiceAccount", name="poor", namespace=namespace)
    rbac.create_cluster_role_binding(client.V1ClusterRoleBinding(metadata=meta, role_ref=reference, subjects=[subject]))
    yield service_account_kubeconfig(kubeconfig, namespace=namespace, name="poor", path=tmp_path / "poor")
    rbac.delete_cluster_role_binding(meta.name)
    rbac.delete_cluster_role(meta.name)


def test_a_right_is_missing(watched: Any, poor: Path, namespace: str) -> None:
    about = {"verb": "create", "resource": "volumes"}
    body = {"volume": {"size": 1, "volume_type": watched.own.name}}
    environment = {"KUBECONFIG": str(poor)}
    with facade(watched.own.stack, "poor", "--metrics-port", str(watched.spare), environment=environment) as running:
        rest = Rest(running.url, namespace)
        assert not watched.prometheus.firing_for("FairleadForbidden", **about)

        def refused_until_it_fires() -> bool:
            assert rest.send("POST", "/volumes", body).status == 500
            return bool(watched.prometheus.firing_for("FairleadForbidden", **about))

        wait_for(refused_until_it_fires, what="FairleadForbidden fires", timeout=60)
        # As the alert's guide says.
        assert 'cannot create resource "volumes"' in running.log
    silent(watched, "FairleadForbidden", **about)


def test_the_daemon_cannot_listen(watched: Any, admin: client.ApiClient) -> None:
    """The Backend is told a port that somebody else has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        client.CustomObjectsApi(admin).patch_cluster_custom_object(
            names.GROUP,
            names.VERSION,
            "backends",
            watched.own.name,
            {"spec": {"parameters": {"port": taken.getsockname()[1]}}},
            _content_type="application/merge-patch+json",
        )
        fires(watched, "FairleadBackendNotReady", timeout=90)
    silent(watched, "FairleadBackendNotReady", timeout=90)


def test_somebody_else_has_the_lease(watched: Any, admin: client.ApiClient) -> None:
    leases, name = client.CoordinationV1Api(admin), names.backend_lease(watched.own.name)
    taken = {"holderIdentity": "somebody-else", "leaseDurationSeconds": 3600}
    leases.patch_namespaced_lease(name, names.SYSTEM_NAMESPACE, {"spec": taken})
    fires(watched, "FairleadBackendWithoutLeader")
    leases.patch_namespaced_lease(name, names.SYSTEM_NAMESPACE, {"spec": {"holderIdentity": ""}})
    silent(watched, "FairleadBackendWithoutLeader")


def test_the_operator_is_gone(watched: Any, rest: Rest) -> None:
    volume = rest.volume(volume_type=watched.own.name)
    watched.own.stack.processes.pop("operator").terminate()
    fires(watched, "FairleadOperatorAbsent")
    for _ in range(2):
        assert rest.send("POST", "/attachments", {"attachment": {"volume_uuid": volume}}).status == 504
    fires(watched, "FairleadOperatorSilent")
    fires(watched, "FairleadApiErrors")
    watched.restart_operator()
    silent(watched, "FairleadOperatorAbsent")


def test_the_facade_is_gone(watched: Any) -> None:
    watched.facade.process.stop_signal()
    try:
        fires(watched, "FairleadFacadeAbsent", timeout=90)
    finally:
        watched.facade.process.cont()
    silent(watched, "FairleadFacadeAbsent")
