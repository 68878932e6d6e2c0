"""A release that is held to some namespaces, under exactly the rights that the chart gives it there."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from accounts import EVERYTHING, Account, Accounts
from chart import NAMESPACE, Object, containers, of_kind, pods, render
from cluster import Cluster
from facades import RunningFacade, facade
from fairlead_crds import names
from fairlead_devstack.api_client import connect
from fairlead_devstack.apply import apply_objects
from fairlead_devstack.control_plane import ControlPlane
from fairlead_devstack.custom_resources import install_manifests
from fairlead_devstack.scratch import ScratchFolder
from fairlead_devstack.service_account import service_account_kubeconfig
from fairlead_devstack.stack import MANIFESTS, Stack, wait_for_backend
from iscsi import login
from rest import NODE_1, access
from waiting import wait_for

SERVED, LEAVING, OTHER = "served", "leaving", "other"


class Release(Stack):
    """Operator and facade as the chart installs them with `scope.namespaces`, outside of pods."""

    def install(self) -> None:
        """Apply what the chart renders, except for the pods."""
        self.objects: list[Object] = render({"scope": {"namespaces": [SERVED, LEAVING]}})
        places = [_namespace(name) for name in (NAMESPACE, SERVED, LEAVING, OTHER)]
        rights = [
            item
            for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding")
            for item in of_kind(self.objects, kind)
            if "annotations" not in item["metadata"]
        ]
        policies = [item for item in self.objects if item["kind"].startswith("ValidatingAdmissionPolicy")]
        with connect(self.control_plane.kubeconfig) as api:
            install_manifests(api, MANIFESTS)
            apply_objects(api, [*places, *rights, *policies])
        for account in (names.OPERATOR_ACCOUNT, names.FACADE_ACCOUNT):
            service_account_kubeconfig(
                self.control_plane.kubeconfig, namespace=NAMESPACE, name=account, path=self.kubeconfig_of(account)
            )

    def options(self, pod: str, container: str) -> tuple[str, ...]:
        """The options of a container that say where the process acts."""
        (found,) = [c for c in containers(dict(pods(self.objects))[pod]) if c["name"] == container]
        told = ("--namespaces=", "--system-namespace=", "--create-namespaces", "--no-create-namespaces")
        return tuple(argument for argument in found["args"] if str(argument).startswith(told))

    def serve(self, name: str = "operator") -> None:
        """Start an operator for the Backend `local`."""
        self.start_operator(name, options=("--backend=local", *self.options("fairlead-backend-local", "operator")))


@dataclass(frozen=True)
class Place:
    """The release, and who uses it."""

    release: Release
    admin: client.ApiClient
    folder: Path

    def cluster(self, namespace: str) -> Cluster:
        return Cluster(self.admin, namespace)

    def forbidden(self) -> list[Any]:
        """The release's requests without the right to them."""
        return [entry for entry in self._asked() if entry.forbidden]

    def touched(self, namespace: str) -> list[Any]:
        """The release's requests in a namespace."""
        return [entry for entry in self._asked() if entry.namespace == namespace and entry.resource != "namespaces"]

    def _asked(self) -> list[Any]:
        ours = f"system:serviceaccount:{NAMESPACE}:"
        return [entry for entry in self.release.control_plane.audit_log.since(0) if entry.user.startswith(ours)]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    with ControlPlane() as control_plane, ScratchFolder("scope") as scratch:
        release = Release(control_plane, scratch.path, lease_duration=2.0, sweep_interval=2.0)
        try:
            release.install()
            release.add_backend("local", default=True)
            release.serve()
            with connect(control_plane.kubeconfig) as admin:
                wait_for_backend(admin, "local")
                yield Place(release, admin, scratch.path)
        finally:
            release.stop()


@pytest.fixture(scope="module")
def door(place: Place) -> Iterator[RunningFacade]:
    options = place.release.options("fairlead-api", "api")
    with facade(place.release, "facade", "--auth=kubernetes", "--review-cache-seconds=1", *options) as running:
        yield running


@pytest.fixture(scope="module")
def owners(place: Place) -> Iterator[dict[str, Account]]:
    """Who may everything in a namespace, by namespace."""
    kubeconfig = place.release.control_plane.kubeconfig
    makers = {name: Accounts(place.admin, kubeconfig, place.folder, name) for name in (SERVED, OTHER)}
    yield {name: accounts.make("owner", EVERYTHING) for name, accounts in makers.items()}
    for accounts in makers.values():
        accounts.close()


def test_both_doors_work_in_a_namespace_that_is_served(
    place: Place, door: RunningFacade, owners: dict[str, Account]
) -> None:
    cluster, rest = place.cluster(SERVED), owners[SERVED].rest(door.url, SERVED)
    cluster.volume("data")
    cluster.attach("one", "data", NODE_1)
    there = cluster.access(cluster.wait_exported("one"), NODE_1)
    assert login(there).accepted
    (shown,) = rest.ok("GET", "/attachments", status=200)["attachments"]
    assert rest.detach(shown["id"]) == []
    cluster.wait_gone("Attachment", "one")
    assert not login(there).accepted
    attached = rest.attach(rest.volume())
    assert login(access(attached)).accepted
    rest.detach(attached["id"])
    cluster.remove_all()
    assert not place.forbidden()


def test_what_is_in_another_namespace_is_left_alone(
    place: Place, door: RunningFacade, owners: dict[str, Account]
) -> None:
    other, rest = place.cluster(OTHER), owners[OTHER].rest(door.url, OTHER)
    id_ = str(uuid.uuid4())
    # As an earlier release that served all namespaces would have left them: REST's id is there.
    labels = {names.LABEL_ID: id_}
    volume = other.create("Volume", "data", {"size": "64Mi"}, labels=labels)
    attachment = other.create("Attachment", "one", {"volumeName": "data"}, labels=labels)
    # Whoever serves has had the occasion, once a later one is served.
    served = place.cluster(SERVED)
    served.volume("later")
    served.attach("later", "later", NODE_1)
    served.wait_exported("later")
    assert other.get("Volume", "data") == volume
    assert other.get("Attachment", "one") == attachment
    for path in (f"/volumes/{id_}", f"/attachments/{id_}"):
        assert rest.get(path).fault == (404, "itemNotFound")
    assert rest.ok("GET", "/volumes", status=200)["volumes"] == []
    assert rest.send("POST", "/volumes", {"volume": {"size": 1}}).fault == (400, "badRequest")
    served.remove_all()
    assert not place.touched(OTHER)
    assert not place.forbidden()


def test_one_that_goes_holds_up_nobody_in_the_others(
    place: Place, door: RunningFacade, owners: dict[str, Account]
) -> None:
    """With a namespace go the rights in it: what is asked there from then on is refused."""
    leaving, served = place.cluster(LEAVING), place.cluster(SERVED)
    leaving.volume("data")
    leaving.remove_all()
    core = client.CoreV1Api(place.admin)
    core.delete_namespace(LEAVING)
    wait_for(lambda: _gone(core, LEAVING), what=f"namespace {LEAVING} is gone", timeout=60)
    place.release.processes["operator"].terminate()
    place.release.serve("successor")
    served.volume("after")
    served.attach("after", "after", NODE_1)
    assert login(served.access(served.wait_exported("after"), NODE_1)).accepted
    options = place.release.options("fairlead-api", "api")
    with facade(place.release, "facade-later", "--auth=kubernetes", *options) as later:
        (shown,) = owners[SERVED].rest(later.url, SERVED).ok("GET", "/attachments", status=200)["attachments"]
    owners[SERVED].rest(door.url, SERVED).detach(shown["id"])
    served.remove_all()
    assert {entry.namespace for entry in place.forbidden()} == {LEAVING}


def _namespace(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def _gone(core: client.CoreV1Api, namespace: str) -> bool:
    try:
        core.read_namespace(namespace)
    except client.ApiException as error:
        return bool(error.status == 404)
    return False
