"""Real faults, and the alert that each raises in a real Prometheus with the shipped rules (their waits shortened).

What no test can bring about in reasonable time, or not without hurting the control plane that others use (a disk that
fills, an API server that says nothing, slow exports), is left to `tests/unit/test_alert_rules.py`.
"""

import os
import socket
import uuid
from typing import Any

from kubernetes import client

from cluster import Cluster
from fairlead_crds import names
from fairlead_operator.drivers import tgt_protocol as tgt
from fairlead_operator.drivers.iscsi_tgt_parameters import IscsiTgtParameters
from iscsi import Initiator
from rest import Rest
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"


def fires(watched: Any, alert: str, *, timeout: float = 60.0) -> None:
    wait_for(lambda: alert in watched.prometheus.firing(), what=f"{alert} fires", timeout=timeout)


def silent(watched: Any, alert: str, *, timeout: float = 60.0) -> None:
    wait_for(lambda: alert not in watched.prometheus.firing(), what=f"{alert} is over", timeout=timeout)


def test_all_is_well(watched: Any) -> None:
    wait_for(lambda: watched.prometheus.query("fairlead_backend_ready"), what="it is scraped")
    wait_for(lambda: watched.prometheus.firing() <= {"FairleadBackendAlmostFull"}, what="nothing fires", timeout=60)


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
