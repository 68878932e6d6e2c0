"""Two operators, one Backend: the Lease, the fence, the compare-and-swap and the sweep, each where it alone decides."""

import functools
import itertools
from collections.abc import Iterator

import pytest
from kubernetes import client

from cluster import Cluster, condition, holders, reason
from fairlead_crds import names
from fairlead_crds.credentials import KeyRing
from fairlead_devstack.audit import AuditLog
from iscsi import Access, Initiator, login
from own_backend import OwnBackend
from waiting import wait_for

NODE_A = "iqn.2026-11.org.example:node-a"
NODE_B = "iqn.2026-11.org.example:node-b"


@pytest.fixture
def cluster(own_backend: OwnBackend, admin: client.ApiClient, namespace: str) -> Iterator[Cluster]:
    yield Cluster(admin, namespace)
    own_backend.end_operators()


def derived_access(own_backend: OwnBackend, admin: client.ApiClient, like: Access, handle: str, node: str) -> Access:
    """How a node would log in to an export that never got as far as its Secret, on the same portal as `like`."""
    name = names.backend_key_secret(own_backend.name)
    secret = client.CoreV1Api(admin).read_namespaced_secret(name, names.SYSTEM_NAMESPACE)
    password = KeyRing.from_secret(secret.data).password(handle, None)
    target = f"{like.target.rpartition(':')[0]}:{handle}"
    return Access(portal=like.portal, target=target, initiator=node, username=handle, password=password)


def test_a_deposed_operator_that_wakes_up_between_its_check_and_its_effect_does_no_harm(
    own_backend: OwnBackend, cluster: Cluster, admin: client.ApiClient
) -> None:
    """Stopped after the Lease check and right before the driver's effect; the next one detaches A and exports B."""
    old, old_faults = own_backend.start("old")
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    old_faults.set("attach.before-export", "stop")
    cluster.attach("a", "data", NODE_A)
    old_faults.wait_reached("attach.before-export")
    handle_of_a = wait_for(lambda: _handle(cluster, "a"), what="A has its handle")

    own_backend.start("new")
    cluster.delete("Attachment", "a")
    cluster.wait_gone("Attachment", "a")
    cluster.attach("b", "data", NODE_B)
    b = cluster.access(cluster.wait_exported("b"), NODE_B)
    # Nor does its election thread notice anything in time.
    old_faults.set(own_backend.renewal, "pause")
    before = len(own_backend.log("old"))
    old.cont()
    old_faults.wait_reached(own_backend.renewal)

    def tried() -> bool:
        log = own_backend.log("old")[before:]
        return "did not happen: fenced" in log or "WriteSecret" in log

    wait_for(tried, what="the old operator tried its effect")

    assert not login(derived_access(own_backend, admin, b, handle_of_a, NODE_A)).accepted
    assert login(b).accepted
    old_faults.go(own_backend.renewal)


def test_the_ledgers_compare_and_swap_decides_between_two_operators(
    own_backend: OwnBackend, cluster: Cluster, admin: client.ApiClient, audit_log: AuditLog
) -> None:
    """Both operators have decided to admit A and stand right before the write; B is admitted meanwhile."""
    old, old_faults = own_backend.start("old")
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    old_faults.set("attach.before-ledger", "stop")
    cluster.attach("a", "data", NODE_A)
    old_faults.wait_reached("attach.before-ledger")
    handle_of_a = wait_for(lambda: _handle(cluster, "a"), what="A has its handle")
    _, new_faults = _start_paused(own_backend, "attach.before-ledger")
    cluster.attach("b", "data", NODE_B)
    b = cluster.access(cluster.wait_exported("b"), NODE_B)

    mark = audit_log.mark()
    old.cont()
    new_faults.go("attach.before-ledger")

    def refused() -> int:
        return sum(
            e.code == 409 and e.resource == "volumes" and e.namespace == cluster.namespace
            for e in audit_log.since(mark)
        )

    wait_for(lambda: refused() >= 2, what="the API server refused both late writes")
    waiting = cluster.wait("Attachment", "a", lambda a: condition(a, "Admitted") == "False", "waits")
    assert reason(waiting, "Admitted")[0] == "VolumeInUse"
    assert "Attachment b" in reason(waiting, "Admitted")[1]
    volume = cluster.get("Volume", "data")
    assert volume is not None
    assert holders(volume) == ["b"]
    assert login(b).accepted
    assert not login(derived_access(own_backend, admin, b, handle_of_a, NODE_A)).accepted


def test_a_takeover_leaves_live_exports_alone_although_its_watch_is_late(
    own_backend: OwnBackend, cluster: Cluster
) -> None:
    """What the watch has not delivered yet is there all the same: the sweep asks the API server, not its memory."""
    first, _ = own_backend.start("first")
    own_backend.wait_ready()
    second, faults = own_backend.start("second", pause_at="watch.attachments.late")
    wait_for(lambda: "watch of attachments: goes on" in own_backend.log("second"), what="the second one watches")
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("late", "data", NODE_A)
    access = cluster.access(cluster.wait_exported("late"), NODE_A)
    with Initiator(access) as node:
        assert node.write(pattern=1)
        number = own_backend.targets()[access.target]
        faults.wait_reached("watch.attachments.late")
        first.kill()

        wait_for(lambda: own_backend.wins("second") == 1, what="the second operator took over")
        cluster.volume("other", backendName=own_backend.name)

        assert own_backend.targets()[access.target] == number
        assert node.write(pattern=2)
        assert login(access).accepted
        faults.go("watch.attachments.late")
    assert second.alive


def test_sigterm_hands_over_without_waiting_for_the_lease(own_backend: OwnBackend, cluster: Cluster) -> None:
    first, _ = own_backend.start("first")
    own_backend.wait_ready()
    own_backend.start("second")
    held = own_backend.lease().spec
    first.terminate()

    # Released before the process ended: there is no holder for the next one to wait out.
    assert own_backend.lease().spec.holder_identity != held.holder_identity
    wait_for(lambda: own_backend.lease().spec.holder_identity not in ("", held.holder_identity), what="taken over")
    assert own_backend.lease().spec.lease_transitions == held.lease_transitions + 1


def test_what_was_left_alone_while_the_lease_had_run_out_is_done_when_it_is_renewed_after_all(
    own_backend: OwnBackend, cluster: Cluster
) -> None:
    """A renewal that comes late and finds the Lease not taken: the same tenure goes on, with all that it left alone."""
    _, faults = own_backend.start()
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name, multiAttach=True)
    faults.set(own_backend.renewal, "pause")
    faults.wait_reached(own_backend.renewal)

    def left_alone() -> bool:
        return "left alone: the Lease is lost" in own_backend.log()

    def decided(name: str) -> bool:
        return left_alone() or condition(cluster.get("Attachment", name) or {}, "Exported") == "True"

    for number in itertools.count():
        last = f"a{number}"
        cluster.attach(last, "data", f"{NODE_A}-{number}")
        wait_for(functools.partial(decided, last), what=f"{last} is exported or left alone")
        if left_alone():
            break
    faults.go(own_backend.renewal)

    cluster.wait_exported(last)
    assert own_backend.wins() == 1


def test_the_ledger_names_the_holder_until_the_node_is_cut_off(own_backend: OwnBackend, cluster: Cluster) -> None:
    _, faults = own_backend.start()
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    cluster.attach("a", "data", NODE_A)
    access = cluster.access(cluster.wait_exported("a"), NODE_A)
    for point in ("detach.before-unexport", "detach.before-release", "detach.before-finalize"):
        faults.set(point, "pause")
    cluster.delete("Attachment", "a")

    faults.wait_reached("detach.before-unexport")
    assert holders(_volume(cluster)) == ["a"]
    faults.go("detach.before-unexport")

    faults.wait_reached("detach.before-release")
    assert not login(access).accepted
    assert holders(_volume(cluster)) == ["a"]
    assert cluster.get("Attachment", "a") is not None
    faults.go("detach.before-release")

    faults.wait_reached("detach.before-finalize")
    assert holders(_volume(cluster)) == []
    assert cluster.get("Attachment", "a") is not None
    faults.go("detach.before-finalize")
    cluster.wait_gone("Attachment", "a")


def test_an_export_is_published_only_after_it_was_read_back(own_backend: OwnBackend, cluster: Cluster) -> None:
    """Somebody removes the target between its making and the reading back: it must be made again first."""
    _, faults = own_backend.start()
    own_backend.wait_ready()
    cluster.volume("data", backendName=own_backend.name)
    faults.set("attach.after-export", "pause")
    cluster.attach("a", "data", NODE_A)
    faults.wait_reached("attach.after-export")
    own_backend.remove_targets()
    faults.go("attach.after-export")

    assert login(cluster.access(cluster.wait_exported("a"), NODE_A)).accepted


def _start_paused(own_backend: OwnBackend, point: str) -> tuple[object, object]:
    """Start the next operator and wait until it has taken over and stands at that point."""
    operator, faults = own_backend.start("new", pause_at=point)
    faults.wait_reached(point)
    return operator, faults


def _handle(cluster: Cluster, name: str) -> str | None:
    found = cluster.get("Attachment", name)
    return found["metadata"].get("annotations", {}).get(names.ANNOTATION_HANDLE) if found else None


def _volume(cluster: Cluster) -> dict[str, object]:
    found = cluster.get("Volume", "data")
    assert found is not None
    return found
