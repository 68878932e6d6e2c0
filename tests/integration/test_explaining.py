"""Nothing is stuck without saying why, since when, how often it was tried, and when it will be again."""

from collections.abc import Iterator

import pytest
from kubernetes import client

from cluster import Cluster, reason
from faults import Faults
from own_backend import OwnBackend
from waiting import wait_for

NODE = "iqn.2026-11.org.example:node"


@pytest.fixture
def faults(own_backend: OwnBackend) -> Iterator[Faults]:
    """Of an operator that tells people after a second of waiting."""
    _, faults = own_backend.start(more=("--patience", "1"))
    own_backend.wait_ready()
    yield faults
    own_backend.end_operators()


@pytest.fixture
def cluster(faults: Faults, own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    cluster = Cluster(admin, namespace)
    cluster.volume("data", backendName=own_backend.name)
    yield cluster
    cluster.remove_all()


def test_a_failing_export_says_why_how_often_and_when_again(cluster: Cluster, faults: Faults) -> None:
    faults.set("attach.before-export", "errors")
    cluster.attach("mine", "data", NODE)
    told = [
        cluster.wait("Attachment", "mine", lambda a, n=often: n in reason(a, "Exported")[1], often)
        for often in ("tried 2 times or more, again within 1 s", "tried 8 times or more, again within 30 s")
    ]
    faults.clear("attach.before-export")
    exported = cluster.wait_exported("mine")

    assert {reason(a, "Exported")[0] for a in told} == {"DriverError"}
    assert all(reason(a, "Exported")[1].startswith("attach.before-export (") for a in told)
    since = {c["lastTransitionTime"] for a in told for c in a["status"]["conditions"] if c["type"] == "Exported"}
    assert len(since) == 1
    phases = [(h["phase"], h["reason"]) for h in exported["status"]["history"]]
    assert phases[-2:] == [("Exporting", "DriverError"), ("Exported", "Exported")]
    assert any(e.reason == "DriverError" for e in cluster.events("mine"))


def test_a_long_wait_raises_one_event(cluster: Cluster) -> None:
    cluster.attach("first", "data", NODE)
    cluster.wait_exported("first")
    cluster.attach("second", "data", NODE)
    told = cluster.wait("Attachment", "second", lambda a: "more than 1 s" in reason(a, "Admitted")[1], "told again")
    assert reason(told, "Admitted")[0] == "VolumeInUse"
    assert "Attachment first" in reason(told, "Admitted")[1]
    [event] = wait_for(lambda: cluster.events("second"), what="an Event")
    assert event.reason == "VolumeInUse"
    assert "has waited for more than 1 s" in event.message


def test_the_history_keeps_ten_steps(cluster: Cluster) -> None:
    cluster.attach("mine", "data", NODE)
    connector = {"initiator": NODE, "host": "n"}
    for _ in range(6):
        cluster.wait_exported("mine")
        cluster.patch("Attachment", "mine", {"spec": {"connector": None}})
        cluster.wait("Attachment", "mine", lambda a: a["status"]["phase"] == "Reserved", "reserved")
        cluster.patch("Attachment", "mine", {"spec": {"connector": connector}})
    history = cluster.wait_exported("mine")["status"]["history"]
    assert [h["phase"] for h in history] == ["Reserved", "Exported"] * 5
    assert [h["at"] for h in history] == sorted(h["at"] for h in history)
