"""Who gets a volume that several want: the line, reservations, and volumes that outlive their object."""

from itertools import pairwise
from typing import Any

import pytest
from kubernetes import client

from cluster import Cluster, condition, holders, reason
from fairlead_crds import names
from fairlead_devstack.stack import Stack
from iscsi import Initiator, login, read_pattern, write_pattern
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"


def waiting(cluster: Cluster, name: str) -> dict[str, Any]:
    return cluster.wait("Attachment", name, lambda a: reason(a, "Admitted")[0] == "VolumeInUse", "waits")


def test_waiters_are_admitted_first_come_first_served(cluster: Cluster) -> None:
    cluster.volume("data")
    names_ = [f"a{number}" for number in range(4)]
    for name in names_:
        cluster.attach(name, "data", NODE, instanceID=name)
        if name != "a0":
            waiting(cluster, name)
    for first, second in pairwise(names_):
        cluster.wait_exported(first)
        cluster.delete("Attachment", first)
        cluster.wait_gone("Attachment", first)
        # kubectl's creationTimestamp has seconds only; within one the uid decides, so only membership is certain.
        admitted = wait_for(lambda: holders(cluster.get("Volume", "data") or {}), what="the next is admitted")
        assert admitted != [first]
        if admitted != [second]:
            break


def test_a_migrations_second_attachment_passes_those_who_wait_behind_the_first(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("source", "data", NODE, instanceID="vm")
    cluster.wait_exported("source")
    cluster.attach("stranger", "data", NODE, instanceID="other")
    waiting(cluster, "stranger")

    cluster.attach("target", "data", f"{NODE}-2", instanceID="vm")

    cluster.wait_exported("target")
    cluster.delete("Attachment", "source")
    cluster.wait_gone("Attachment", "source")
    assert holders(cluster.get("Volume", "data") or {}) == ["target"]
    cluster.delete("Attachment", "target")
    cluster.wait_exported("stranger")


def test_reject_is_terminal_even_when_the_volume_becomes_free(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("first", "data", NODE)
    cluster.wait_exported("first")
    cluster.attach("second", "data", NODE, conflictPolicy="Reject")
    refused = cluster.wait("Attachment", "second", lambda a: a["status"]["phase"] == "Rejected", "refused")
    assert "Attachment first" in reason(refused, "Admitted")[1]

    cluster.delete("Attachment", "first")
    cluster.attach("third", "data", NODE)
    cluster.wait_exported("third")

    still = cluster.get("Attachment", "second")
    assert still is not None
    assert still["status"]["phase"] == "Rejected"


def test_only_a_reservation_that_was_never_exported_expires(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("short", "data", reservationTTLSeconds=1)
    cluster.wait_gone("Attachment", "short")

    cluster.attach("kept", "data", NODE, reservationTTLSeconds=1)
    cluster.wait_exported("kept")
    cluster.patch("Attachment", "kept", {"spec": {"connector": None}})
    back = cluster.wait("Attachment", "kept", lambda a: a["status"]["phase"] == "Reserved", "reserved")
    # Another one's whole second passes meanwhile.
    cluster.volume("other")
    cluster.attach("clock", "other", reservationTTLSeconds=1)
    cluster.wait_gone("Attachment", "clock")
    assert cluster.get("Attachment", "kept") is not None
    assert back["status"]["attachedAt"]


def test_deletion_waits_for_the_logout_when_asked_to(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("mine", "data", NODE, detachPolicy="WaitForLogout")
    access = cluster.access(cluster.wait_exported("mine"), NODE)
    with Initiator(access) as node:
        assert node.write(pattern=1)
        cluster.delete("Attachment", "mine")
        told = cluster.wait("Attachment", "mine", lambda a: reason(a, "Exported")[0] == "Detaching", "waits")
        assert NODE in reason(told, "Exported")[1]
        assert node.write(pattern=2)
    cluster.wait_gone("Attachment", "mine")
    assert not login(access).accepted
    assert any(e.reason == "Detaching" for e in cluster.events("mine"))


def test_a_retained_volume_is_adopted_with_its_data_by_whoever_may(cluster: Cluster, stack: Stack) -> None:
    volume = cluster.volume("data", deletionPolicy="Retain")
    handle = volume["status"]["handle"]
    cluster.attach("mine", "data", NODE)
    assert write_pattern(cluster.access(cluster.wait_exported("mine"), NODE), pattern=9)
    cluster.delete("Attachment", "mine")
    cluster.wait_gone("Attachment", "mine")
    cluster.delete("Volume", "data")
    cluster.wait_gone("Volume", "data")
    assert (stack.data_dirs["local"] / "volumes" / f"{handle}.img").exists()

    cluster.volume("again", source={"handle": handle})
    cluster.attach("mine", "again", NODE)

    assert read_pattern(cluster.access(cluster.wait_exported("mine"), NODE), pattern=9)


def test_a_volume_that_belongs_to_one_object_is_not_adopted_by_another(cluster: Cluster) -> None:
    handle = cluster.volume("data")["status"]["handle"]
    cluster.create("Volume", "thief", {"size": "64Mi", "source": {"handle": handle}})
    told = cluster.wait("Volume", "thief", lambda v: condition(v, "Ready") == "False", "told")
    assert f"{cluster.namespace}/data" in reason(told, "Ready")[1]


def test_a_source_that_does_not_exist_is_named(cluster: Cluster) -> None:
    cluster.create("Volume", "data", {"size": "64Mi", "source": {"handle": "nothing-here"}})
    told = cluster.wait("Volume", "data", lambda v: condition(v, "Ready") == "False", "told")
    assert reason(told, "Ready") == ("SourceNotFound", "the backend has no volume with handle 'nothing-here'")


@pytest.mark.parametrize("allowed", [True, False])
def test_a_backend_takes_volumes_of_the_namespaces_it_allows(
    cluster: Cluster, stack: Stack, admin: client.ApiClient, allowed: bool
) -> None:
    objects = client.CustomObjectsApi(admin)
    place = (names.GROUP, names.VERSION, "backends", "local")
    body = {"spec": {"allowedNamespaces": [cluster.namespace if allowed else "somebody-elses"]}}
    objects.patch_cluster_custom_object(*place, body, _content_type="application/merge-patch+json")
    try:
        cluster.create("Volume", "data", {"size": "1Mi"})
        if allowed:
            cluster.wait("Volume", "data", lambda v: condition(v, "Ready") == "True", "ready")
        else:
            told = cluster.wait("Volume", "data", lambda v: condition(v, "Ready") == "False", "told")
            assert reason(told, "Ready")[0] == "NamespaceNotAllowed"
            assert cluster.namespace in reason(told, "Ready")[1]
    finally:
        everybody = {"spec": {"allowedNamespaces": None}}
        objects.patch_cluster_custom_object(*place, everybody, _content_type="application/merge-patch+json")
