"""Operators that divide the Backends: each sees its own, the controller hands over, and people notice nothing."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster, condition, holders, reason
from fairlead_crds import names
from integration.shards.conftest import CONTROLLER, EAST, WEST, Shards
from iscsi import Initiator, login
from rest import Rest
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"
PLACE = (names.GROUP, names.VERSION, "backends")
MERGE = "application/merge-patch+json"


@pytest.fixture
def rest(shards: Shards, namespace: str) -> Rest:
    return Rest(shards.stack.facade_url, namespace)


@pytest.fixture
def backends(admin: client.ApiClient) -> client.CustomObjectsApi:
    return client.CustomObjectsApi(admin)


@pytest.fixture
def restarted(shards: Shards) -> Iterator[Shards]:
    """Processes that a test ends run again afterwards."""
    yield shards
    for name in (CONTROLLER, EAST, WEST):
        if not shards.process(name).alive:
            shards.start(name)


def backend_of(item: Any) -> str | None:
    return item["metadata"].get("labels", {}).get(names.LABEL_BACKEND)


def wait_gone(backends: client.CustomObjectsApi, name: str) -> None:
    def there() -> set[str]:
        return {backend["metadata"]["name"] for backend in backends.list_cluster_custom_object(*PLACE)["items"]}

    wait_for(lambda: name not in there(), what=f"Backend {name} is gone")


@pytest.mark.parametrize("backend", [EAST, WEST])
def test_kubectl_attaches_and_detaches(shards: Shards, cluster: Cluster, backend: str) -> None:
    cluster.volume("data", backendName=backend)
    cluster.attach("a", "data", NODE)
    access = cluster.access(cluster.wait_exported("a"), NODE)
    assert login(access).accepted
    cluster.delete("Attachment", "a")
    cluster.wait_gone("Attachment", "a")
    assert not login(access).accepted


@pytest.mark.parametrize("backend", [EAST, WEST])
def test_rest_attaches_and_detaches(rest: Rest, cluster: Cluster, backend: str) -> None:
    attachment = rest.attach(rest.volume(volume_type=backend), NODE)
    rest.complete(attachment["id"])
    assert rest.detach(attachment["id"]) == []


def test_a_life_by_kubectl_costs_the_operators_no_write_more(shards: Shards, cluster: Cluster) -> None:
    """As with one operator that does everything: W0 to W4, then the detach; and nobody was too late."""
    cluster.volume("data")
    mark = shards.stack.control_plane.audit_log.mark()
    cluster.attach("a", "data", NODE)
    cluster.wait_exported("a")
    cluster.delete("Attachment", "a")
    cluster.wait_gone("Attachment", "a")
    log = shards.stack.control_plane.audit_log.since(mark)
    ours = [e for e in log if e.writes and e.user == shards.stack.operator_user and e.namespace == cluster.namespace]
    assert Counter((e.verb, e.resource, e.subresource, e.code) for e in ours) == {
        ("patch", "attachments", "", 200): 2,
        ("patch", "attachments", "status", 200): 1,
        ("patch", "volumes", "status", 200): 2,
        ("create", "secrets", "", 201): 1,
    }


def test_each_operator_sees_what_is_its_own(shards: Shards, cluster: Cluster) -> None:
    for backend, count in ((EAST, 3), (WEST, 2)):
        for number in range(count):
            cluster.volume(f"{backend}-{number}", backendName=backend)
            cluster.attach(f"{backend}-{number}", f"{backend}-{number}", f"{NODE}-{number}")
    for item in cluster.all("Attachment"):
        cluster.wait_exported(item["metadata"]["name"])

    def divided() -> bool:
        seen = {name: shards.known(name) for name in (CONTROLLER, EAST, WEST)}
        assert {n: (k["volumes"], k["attachments"]) for n, k in seen.items()} == {
            CONTROLLER: (0, 0), EAST: (3, 3), WEST: (2, 2)
        }  # fmt: skip
        return True

    wait_for(divided, what="each has its own and nothing else")
    for name in (EAST, WEST):
        assert set(shards.counted(name, "fairlead_watch_lag_seconds", "resource").values()) == {0}


def test_the_default_backend_gets_what_names_none(cluster: Cluster) -> None:
    assert backend_of(cluster.volume("data")) == EAST


def test_an_attachment_that_came_before_its_volume_is_served_once_it_is_there(cluster: Cluster) -> None:
    cluster.attach("a", "data", NODE)
    cluster.wait("Attachment", "a", lambda a: reason(a, "Admitted")[0] == "VolumeNotFound", "says what it misses")
    cluster.volume("data", backendName=WEST)
    assert backend_of(cluster.wait_exported("a")) == WEST


def test_an_attachment_finds_a_volume_that_the_controller_never_saw(
    shards: Shards, cluster: Cluster, backends: client.CustomObjectsApi
) -> None:
    """It came with the label on, as from a backup: no watch of the controller's shows it."""
    cluster.attach("a", "data", NODE)
    cluster.wait("Attachment", "a", lambda a: reason(a, "Admitted")[0] == "VolumeNotFound", "says what it misses")
    cluster.create(
        "Volume",
        "data",
        {"size": "64Mi", "backendName": EAST},
        finalizers=[names.FINALIZER],
        labels={names.LABEL_ID: "data", names.LABEL_BACKEND: EAST},
        annotations={names.ANNOTATION_HANDLE: f"saved-{cluster.namespace}"},
    )
    cluster.wait_exported("a")


def test_each_release_lets_one_waiter_in(cluster: Cluster) -> None:
    cluster.volume("data", backendName=WEST)
    cluster.attach("holder", "data", f"{NODE}-0")
    cluster.wait_exported("holder")
    for name in ("first", "second"):
        cluster.attach(name, "data", f"{NODE}-{name}")
        cluster.wait("Attachment", name, lambda a: reason(a, "Admitted")[0] == "VolumeInUse", "waits")
    cluster.delete("Attachment", "holder")
    held = cluster.wait("Volume", "data", lambda v: holders(v) not in ([], ["holder"]), "has another holder")
    # Which of the two is younger is told by seconds, which they may share.
    [one] = holders(held)
    cluster.wait_exported(one)
    cluster.delete("Attachment", one)
    cluster.wait_exported({"first": "second", "second": "first"}[one])


def test_a_volume_waits_for_a_backend_that_is_not_there_yet(
    shards: Shards, cluster: Cluster, backends: client.CustomObjectsApi
) -> None:
    cluster.create("Volume", "data", {"size": "64Mi", "backendName": "north"})
    cluster.wait("Volume", "data", lambda v: reason(v, "Ready")[0] == "UnknownBackend", "says which is missing")
    cluster.attach("a", "data", NODE)
    cluster.wait("Attachment", "a", lambda a: condition(a, "Admitted") == "False", "waits too")
    shards.stack.add_backend("north")
    shards.start("north")
    shards.wait_ready("north")
    assert backend_of(cluster.wait_exported("a")) == "north"

    # Deleted while it is in use, it stays until nothing carries its name any more.
    backends.delete_cluster_custom_object(*PLACE, "north")
    in_use = backends.get_cluster_custom_object(*PLACE, "north")
    assert in_use["metadata"]["deletionTimestamp"]
    cluster.create("Volume", "late", {"size": "64Mi", "backendName": "north"})
    refused = cluster.wait("Volume", "late", lambda v: reason(v, "Ready")[0] == "BackendNotReady", "is refused")
    assert names.FINALIZER not in refused["metadata"].get("finalizers", [])
    assert condition(cluster.wait_exported("a"), "Exported") == "True"
    cluster.remove_all()
    wait_gone(backends, "north")
    shards.stack.processes.pop("north").terminate()


def test_two_volumes_that_claim_one_source_are_not_both_given_it(shards: Shards, cluster: Cluster) -> None:
    first = cluster.volume("first", backendName=EAST, deletionPolicy="Retain")
    handle = first["status"]["handle"]
    cluster.create("Volume", "second", {"size": "64Mi", "backendName": EAST, "source": {"handle": handle}})
    second = cluster.wait("Volume", "second", lambda v: reason(v, "Ready")[0] == "SourceNotFound", "is refused")
    assert f"belongs to Volume {cluster.namespace}/first" in reason(second, "Ready")[1]
    assert backend_of(second) is None


@pytest.mark.parametrize("kind", ["Volume", "Attachment"])
def test_a_label_that_is_torn_off_comes_back_and_no_node_notices(shards: Shards, cluster: Cluster, kind: str) -> None:
    """Only whoever may restore can do that. The Backend's sweep must not take the export for nobody's meanwhile."""
    cluster.volume("data", backendName=WEST)
    cluster.attach("data", "data", NODE)
    attachment = cluster.wait_exported("data")
    with Initiator(cluster.access(attachment, NODE)) as node:
        assert node.write(pattern=1)
        controller = shards.process(CONTROLLER)
        controller.stop_signal()
        try:
            cluster.patch(kind, "data", {"metadata": {"labels": {names.LABEL_BACKEND: None}}})
            swept = shards.counted(WEST, "fairlead_sweeps_total", "outcome")["done"]
            wait_for(
                lambda: shards.counted(WEST, "fairlead_sweeps_total", "outcome")["done"] > swept + 1,
                what="the Backend was swept without it",
                timeout=30,
            )
            assert node.read(pattern=1)
        finally:
            controller.cont()
        cluster.wait(kind, "data", lambda item: backend_of(item) == WEST, "has its label again")
        assert node.write(pattern=2)
    cluster.delete("Attachment", "data")
    cluster.wait_gone("Attachment", "data")


def test_a_backend_torn_out_of_the_api_server_is_served_on_and_the_controller_does_not_deny_it(
    shards: Shards, cluster: Cluster, backends: client.CustomObjectsApi
) -> None:
    shards.stack.add_backend("south")
    shards.start("south")
    shards.wait_ready("south")
    cluster.volume("data", backendName="south")
    cluster.attach("a", "data", NODE)
    before = cluster.wait_exported("a")
    backends.patch_cluster_custom_object(*PLACE, "south", {"metadata": {"finalizers": []}}, _content_type=MERGE)
    backends.delete_cluster_custom_object(*PLACE, "south")
    # The controller has it among its own from its next list on.
    wait_for(lambda: shards.known(CONTROLLER)["attachments"] == 1, what="the controller sees it")
    shards.process(CONTROLLER).terminate()
    shards.start(CONTROLLER)
    wait_for(lambda: shards.known(CONTROLLER)["attachments"] == 1, what="a new controller sees it too")
    assert cluster.get("Attachment", "a") == before

    # Its operator ends, and the controller says what that means.
    shards.stack.processes.pop("south").terminate()
    told = cluster.wait("Attachment", "a", lambda a: condition(a, "Exported") == "Unknown", "nobody knows")
    assert reason(told, "Exported")[0] == "UnknownBackend"
    shards.stack.add_backend("south")
    shards.start("south")
    shards.wait_ready("south")
    cluster.wait_exported("a")
    cluster.remove_all()
    backends.delete_cluster_custom_object(*PLACE, "south")
    wait_gone(backends, "south")
    shards.stack.processes.pop("south").terminate()


def test_a_killed_shard_leaves_the_other_undisturbed(restarted: Shards, cluster: Cluster, rest: Rest) -> None:
    for backend in (EAST, WEST):
        cluster.volume(backend, backendName=backend)
    restarted.process(WEST).kill()
    cluster.attach(WEST, WEST, NODE)
    cluster.attach(EAST, EAST, NODE)
    assert login(cluster.access(cluster.wait_exported(EAST), NODE)).accepted
    attachment = rest.attach(rest.volume(volume_type=EAST), f"{NODE}-2")
    assert rest.detach(attachment["id"]) == []
    assert condition(cluster.get("Attachment", WEST) or {}, "Exported") is None

    restarted.start(WEST)
    assert login(cluster.access(cluster.wait_exported(WEST), NODE)).accepted


def test_without_a_controller_what_has_its_label_is_served(restarted: Shards, cluster: Cluster, rest: Rest) -> None:
    """REST needs no controller. What kubectl creates waits for one."""
    restarted.process(CONTROLLER).kill()
    attachment = rest.attach(rest.volume(volume_type=WEST), f"{NODE}-2")
    assert rest.detach(attachment["id"]) == []
    cluster.create("Volume", "data", {"size": "64Mi", "backendName": WEST})
    cluster.attach("a", "data", NODE)
    restarted.start(CONTROLLER)
    cluster.wait_exported("a")
