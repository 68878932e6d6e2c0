"""The control plane does what every other integration test takes for granted."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from fairlead_devstack.api_client import connect
from fairlead_devstack.audit import AuditEntry, AuditLog
from fairlead_devstack.component import ComponentFailed
from fairlead_devstack.control_plane import ControlPlane, stop_recorded
from fairlead_devstack.lookup import ControlPlanePrograms, locate_control_plane
from fairlead_devstack.service_account import service_account_kubeconfig
from waiting import wait_for

NAMES = ["etcd", "kube-apiserver", "kube-controller-manager"]


def secret(name: str) -> client.V1Secret:
    return client.V1Secret(metadata=client.V1ObjectMeta(name=name), string_data={"key": "value"})


def running(pid: int) -> bool:
    """Whether a pid is a process that still runs; a zombie that nobody has reaped yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture(scope="session")
def programs() -> ControlPlanePrograms:
    return locate_control_plane()


@pytest.fixture
def own(programs: ControlPlanePrograms) -> Iterator[ControlPlane]:
    """A control plane to be hurt, besides the shared one."""
    with ControlPlane(programs=programs) as started:
        yield started


def test_a_started_control_plane_serves_its_kubeconfigs_user(control_plane: ControlPlane) -> None:
    with connect(control_plane.kubeconfig) as api:
        assert client.VersionApi(api).get_code().major == "1"
        assert client.CoreV1Api(api).read_namespaced_service_account("default", "default").metadata is not None


def test_the_kinds_are_served(admin: client.ApiClient) -> None:
    resources = client.CustomObjectsApi(admin).get_api_resources("fairlead.dev", "v1alpha1").resources
    assert {"attachments", "backends", "nodeconnectors", "volumes"} <= {resource.name for resource in resources}


def test_the_audit_log_has_each_finished_request_once(
    admin: client.ApiClient, audit_log: AuditLog, namespace: str
) -> None:
    core = client.CoreV1Api(admin)
    mark = audit_log.mark()
    core.create_namespaced_secret(namespace, secret("one"))
    with pytest.raises(client.ApiException):
        core.create_namespaced_secret(namespace, secret("one"))
    core.read_namespaced_secret("one", namespace)
    seen = [entry for entry in audit_log.since(mark) if entry.resource == "secrets" and entry.namespace == namespace]
    create = AuditEntry("create", "secrets", "", namespace, "one", "admin", 201)
    assert seen == [
        create,
        AuditEntry("create", "secrets", "", namespace, "one", "admin", 409),
        AuditEntry("get", "secrets", "", namespace, "one", "admin", 200),
    ]
    assert [entry.writes for entry in seen] == [True, True, False]


def test_namespaces_are_deleted_for_good(admin: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(admin)
    core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="inside")))
    core.delete_namespace(namespace)
    wait_for(
        lambda: not any(item.metadata.name == namespace for item in core.list_namespace().items),
        timeout=60,
        what=f"namespace {namespace} is gone",
    )


def test_dependents_of_a_deleted_custom_resource_are_collected(admin: client.ApiClient, namespace: str) -> None:
    core, objects = client.CoreV1Api(admin), client.CustomObjectsApi(admin)
    kind = ("fairlead.dev", "v1alpha1", namespace, "volumes")
    volume = {"apiVersion": "fairlead.dev/v1alpha1", "kind": "Volume", "metadata": {"name": "owner"}}
    owner = objects.create_namespaced_custom_object(*kind, {**volume, "spec": {"size": "1Gi"}})
    owned = secret("owned")
    owned.metadata.owner_references = [
        client.V1OwnerReference(
            api_version="fairlead.dev/v1alpha1", kind="Volume", name="owner", uid=owner["metadata"]["uid"]
        )
    ]
    core.create_namespaced_secret(namespace, owned)
    objects.delete_namespaced_custom_object(*kind, "owner")
    wait_for(
        lambda: not core.list_namespaced_secret(namespace).items, timeout=60, what="the owned Secret was collected"
    )


def test_a_service_accounts_kubeconfig_speaks_as_the_service_account(
    kubeconfig: Path, admin: client.ApiClient, audit_log: AuditLog, namespace: str, tmp_path: Path
) -> None:
    client.CoreV1Api(admin).create_namespaced_service_account(
        namespace, client.V1ServiceAccount(metadata=client.V1ObjectMeta(name="worker"))
    )
    path = service_account_kubeconfig(kubeconfig, namespace=namespace, name="worker", path=tmp_path / "worker.yaml")
    mark = audit_log.mark()
    with connect(path) as api, pytest.raises(client.ApiException) as refused:
        client.CoreV1Api(api).list_namespaced_secret(namespace)
    assert refused.value.status == 403
    users = {entry.user for entry in audit_log.since(mark) if entry.namespace == namespace and entry.verb == "list"}
    assert users == {f"system:serviceaccount:{namespace}:worker"}


def test_users_are_added_before_the_start_only(control_plane: ControlPlane) -> None:
    with pytest.raises(RuntimeError, match="at its start only"):
        control_plane.add_user("late")


def test_an_added_user_has_the_groups_it_was_given(programs: ControlPlanePrograms) -> None:
    plane = ControlPlane(programs=programs)
    plane.add_user("eve", ["readers"])
    with plane, connect(plane.kubeconfig_for("eve")) as api:
        me = client.AuthenticationV1Api(api).create_self_subject_review(client.V1SelfSubjectReview())
        assert me.status is not None
        assert me.status.user_info is not None
        assert me.status.user_info.username == "eve"
        assert "readers" in (me.status.user_info.groups or [])


def test_stop_leaves_no_process_and_no_folder(programs: ControlPlanePrograms) -> None:
    plane = ControlPlane(programs=programs)
    plane.start()
    folder = plane.folder
    pids = [plane.components[name].pid for name in NAMES]
    assert all(running(pid) for pid in pids)
    plane.stop()
    assert not any(running(pid) for pid in pids)
    assert not folder.exists()


def test_etcd_and_the_api_server_come_back_with_their_data(own: ControlPlane) -> None:
    with connect(own.kubeconfig) as api:
        client.CoreV1Api(api).create_namespaced_secret("default", secret("kept"))
    for name in ("etcd", "kube-apiserver"):
        before = own.components[name].pid
        own.components[name].restart()
        assert own.components[name].pid != before
    with connect(own.kubeconfig) as api:
        assert client.CoreV1Api(api).read_namespaced_secret("kept", "default").data == {"key": "dmFsdWU="}


def test_a_frozen_api_server_answers_nothing_until_it_may_go_on(own: ControlPlane) -> None:
    with connect(own.kubeconfig) as api:
        core = client.CoreV1Api(api)
        core.list_namespace()
        own.components["kube-apiserver"].stop_signal()
        with pytest.raises(Exception, match="timed out"):
            core.list_namespace(_request_timeout=0.5)
        own.components["kube-apiserver"].cont()
        assert core.list_namespace().items


def test_a_component_that_cannot_start_shows_its_log(programs: ControlPlanePrograms) -> None:
    plane = ControlPlane(programs=programs, extra_apiserver_arguments=["--no-such-flag"])
    with pytest.raises(ComponentFailed, match="unknown flag: --no-such-flag"):
        plane.start()
    assert plane.data_dir is None


STARTER = """
import sys, time
from pathlib import Path
from fairlead_devstack.control_plane import ControlPlane
plane = ControlPlane(data_dir=Path(sys.argv[1]), tethered=sys.argv[2] == "tethered")
plane.start()
print(*(component.pid for component in plane.components.values()), flush=True)
sys.stdin.read()
"""


def start_in_a_process_of_its_own(folder: Path, *, tethered: bool) -> tuple[subprocess.Popen[str], list[int]]:
    parent = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(folder), "tethered" if tethered else "loose"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == len(NAMES)
    return parent, pids


BLOCKING_TEST = """
import time

def test_blocks(control_plane, capfd):
    with capfd.disabled():
        print("PIDS", control_plane.folder, *(c.pid for c in control_plane.components.values()), flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_test_run_cleans_up(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "test_blocking.py").write_text(BLOCKING_TEST)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    run = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--rootdir", str(tmp_path), "-p", "conftest", str(tmp_path)],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with run:
        assert run.stdout is not None
        told = next((line for line in run.stdout if "PIDS" in line), "")
        assert told, "the run ended before its control plane was up"
        folder, *pids = told.partition("PIDS")[2].split()
        run.send_signal(number)
        rest = run.stdout.read()
    assert "KeyboardInterrupt" in rest
    assert len(pids) == len(NAMES)
    assert not any(running(int(pid)) for pid in pids)
    assert not Path(folder).exists()


def test_a_killed_parent_takes_its_control_plane_along(tmp_path: Path) -> None:
    parent, pids = start_in_a_process_of_its_own(tmp_path, tethered=True)
    with parent:
        os.kill(parent.pid, signal.SIGKILL)
    wait_for(lambda: not any(running(pid) for pid in pids), what="the processes died with their parent")


def test_a_background_control_plane_outlives_its_parent_and_is_stopped_by_its_folder(tmp_path: Path) -> None:
    parent, pids = start_in_a_process_of_its_own(tmp_path, tethered=False)
    with parent:
        os.kill(parent.pid, signal.SIGKILL)
    try:
        assert all(running(pid) for pid in pids)
    finally:
        stopped = stop_recorded(tmp_path)
    assert sorted(stopped) == NAMES
    assert not any(running(pid) for pid in pids)
    assert stop_recorded(tmp_path) == []
