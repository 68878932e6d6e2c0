"""The main job through the Kubernetes door: real API server, real operator, real iSCSI."""

import pytest

from cluster import Cluster, condition, holders, reason
from fairlead_devstack.audit import AuditLog
from fairlead_devstack.stack import Stack
from iscsi import Access, Initiator, login, read_pattern, write_pattern
from waiting import wait_for

MIB = 1024 * 1024
NODE_1 = "iqn.2026-11.org.example:node-1"
NODE_2 = "iqn.2026-11.org.example:node-2"


def test_a_volume_goes_to_one_node_and_then_to_another_with_its_data(cluster: Cluster) -> None:
    cluster.volume("data", "128Mi")
    cluster.attach("first", "data", NODE_1)
    first = cluster.access(cluster.wait_exported("first"), NODE_1)
    assert write_pattern(first, length=64 * MIB, pattern=0x5A)

    cluster.delete("Attachment", "first")
    cluster.wait_gone("Attachment", "first")
    cluster.attach("second", "data", NODE_2)
    second = cluster.access(cluster.wait_exported("second"), NODE_2)

    assert read_pattern(second, length=64 * MIB, pattern=0x5A)
    assert second.target != first.target


def test_only_the_named_initiator_with_the_secrets_password_gets_in(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("mine", "data", NODE_1)
    right = cluster.access(cluster.wait_exported("mine"), NODE_1)

    assert login(right).accepted
    wrong_password = Access(
        portal=right.portal, target=right.target, initiator=NODE_1, username=right.username, password="x" * 16
    )
    assert login(wrong_password).status == 513
    stranger = Access(
        portal=right.portal, target=right.target, initiator=NODE_2, username=right.username, password=right.password
    )
    assert login(stranger).status == 515
    nameless = Access(portal=right.portal, target=right.target, initiator=NODE_1)
    assert not login(nameless).accepted


def test_deleting_the_attachment_cuts_the_live_session_and_frees_the_volume(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("mine", "data", NODE_1)
    access = cluster.access(cluster.wait_exported("mine"), NODE_1)

    with Initiator(access) as node:
        assert node.write(pattern=1)
        cluster.delete("Attachment", "mine")
        cluster.wait_gone("Attachment", "mine")
        assert not login(access).accepted
        node.begin_write(pattern=2)

    volume = cluster.get("Volume", "data")
    assert volume is not None
    assert volume["status"]["phase"] == "Available"
    assert holders(volume) == []
    # What the node wrote after the detach went nowhere.
    cluster.attach("next", "data", NODE_2)
    assert read_pattern(cluster.access(cluster.wait_exported("next"), NODE_2), pattern=1)


def test_the_second_attachment_waits_names_the_holder_and_is_admitted_when_the_volume_is_free(
    cluster: Cluster,
) -> None:
    cluster.volume("data")
    cluster.attach("first", "data", NODE_1)
    cluster.wait_exported("first")
    cluster.attach("second", "data", NODE_2)
    waiting = cluster.wait("Attachment", "second", lambda a: condition(a, "Admitted") == "False", "waits")
    assert reason(waiting, "Admitted")[0] == "VolumeInUse"
    assert "first" in reason(waiting, "Admitted")[1]

    cluster.delete("Attachment", "first")

    cluster.wait_exported("second")
    volume = cluster.get("Volume", "data")
    assert volume is not None
    assert holders(volume) == ["second"]


def test_a_reservation_holds_the_volume_without_exporting_it(cluster: Cluster, stack: Stack) -> None:
    cluster.volume("data")
    cluster.attach("mine", "data")
    reserved = cluster.wait("Attachment", "mine", lambda a: a["status"]["phase"] == "Reserved", "reserved")
    assert condition(reserved, "Exported") == "False"
    assert "connectionInfo" not in reserved["status"]

    cluster.patch("Attachment", "mine", {"spec": {"connector": {"initiator": NODE_1, "host": "n1"}}})
    access = cluster.access(cluster.wait_exported("mine"), NODE_1)
    assert login(access).accepted

    cluster.patch("Attachment", "mine", {"spec": {"connector": None}})
    cluster.wait("Attachment", "mine", lambda a: a["status"]["phase"] == "Reserved", "reserved again")
    assert not login(access).accepted


def test_a_new_connector_fences_the_old_host_first(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("mine", "data", NODE_1)
    old = cluster.access(cluster.wait_exported("mine"), NODE_1)

    cluster.patch("Attachment", "mine", {"spec": {"connector": {"initiator": NODE_2, "host": "n2"}}})
    moved = cluster.wait("Attachment", "mine", lambda a: a["status"].get("initiator") == NODE_2, "moved")

    assert not login(old).accepted
    assert login(cluster.access(moved, NODE_2)).accepted


@pytest.mark.parametrize(
    ("volume", "attachment"),
    [({}, {"accessMode": "ReadOnly"}), ({"readOnly": True}, {})],
    ids=["attachment", "volume"],
)
def test_read_only_is_enforced_by_the_target(
    cluster: Cluster, volume: dict[str, object], attachment: dict[str, object]
) -> None:
    cluster.volume("data", **volume)
    cluster.attach("mine", "data", NODE_1, **attachment)
    exported = cluster.wait_exported("mine")
    access = cluster.access(exported, NODE_1)

    assert exported["status"]["accessMode"] == "ReadOnly"
    assert read_pattern(access, pattern=0)
    assert not write_pattern(access, pattern=1)


def test_multi_attach_gives_each_node_a_target_of_its_own(cluster: Cluster) -> None:
    cluster.volume("shared", multiAttach=True)
    cluster.attach("first", "shared", NODE_1)
    cluster.attach("second", "shared", NODE_2)
    first = cluster.access(cluster.wait_exported("first"), NODE_1)
    second = cluster.access(cluster.wait_exported("second"), NODE_2)

    assert write_pattern(first, pattern=7)
    assert read_pattern(second, pattern=7)
    assert first.target != second.target


def test_attachments_of_one_instance_hold_the_volume_together(cluster: Cluster) -> None:
    cluster.volume("data")
    cluster.attach("source", "data", NODE_1, instanceID="vm-1")
    cluster.attach("target", "data", NODE_2, instanceID="vm-1")
    cluster.wait_exported("source")
    cluster.wait_exported("target")


def test_a_volume_grows_and_a_new_attachment_sees_it(cluster: Cluster) -> None:
    cluster.volume("data", "64Mi")
    cluster.patch("Volume", "data", {"spec": {"size": "96Mi"}})
    cluster.wait("Volume", "data", lambda v: v["status"]["capacity"] == 96 * MIB, "has grown")
    cluster.attach("mine", "data", NODE_1)
    access = cluster.access(cluster.wait_exported("mine"), NODE_1)
    assert write_pattern(access, offset=95 * MIB, pattern=3)


def test_a_volume_that_is_held_is_deleted_only_after_its_holder(cluster: Cluster, stack: Stack) -> None:
    volume = cluster.volume("data")
    file = stack.data_dirs["local"] / "volumes" / f"{volume['status']['handle']}.img"
    cluster.attach("mine", "data", NODE_1)
    access = cluster.access(cluster.wait_exported("mine"), NODE_1)
    cluster.delete("Volume", "data")
    held = cluster.wait("Volume", "data", lambda v: v["status"]["phase"] == "Deleting", "deleting")
    assert "mine" in reason(held, "Ready")[1]
    assert login(access).accepted

    cluster.delete("Attachment", "mine")

    cluster.wait_gone("Volume", "data")
    assert not file.exists()


def test_the_write_budget_of_a_life_through_kubectl(cluster: Cluster, audit_log: AuditLog, stack: Stack) -> None:
    """protocol.md: attach 3, complete 2, detach 3; one more for this door's W0 and one for its Secret."""
    cluster.volume("data")
    mark = audit_log.mark()
    cluster.attach("mine", "data", NODE_1)
    cluster.wait_exported("mine")
    cluster.patch("Attachment", "mine", {"spec": {"completed": True}})
    cluster.wait("Attachment", "mine", lambda a: condition(a, "Completed") == "True", "completed")
    cluster.delete("Attachment", "mine")
    cluster.wait_gone("Attachment", "mine")

    def writes() -> list[tuple[str, str, str, int]]:
        return [
            (e.verb, e.resource, e.subresource, e.code)
            for e in audit_log.since(mark)
            if e.writes and e.namespace == cluster.namespace and e.user in (stack.operator_user, "admin")
        ]

    wait_for(lambda: len(writes()) >= 10, what="all writes are in the audit log")
    assert writes() == [
        ("create", "attachments", "", 201),
        ("patch", "attachments", "", 200),  # W0
        ("patch", "volumes", "status", 200),  # W2
        ("create", "secrets", "", 201),  # W3
        ("patch", "attachments", "status", 200),  # W4
        ("patch", "attachments", "", 200),  # complete
        ("patch", "attachments", "status", 200),
        ("delete", "attachments", "", 200),
        ("patch", "volumes", "status", 200),  # ledger out
        ("patch", "attachments", "", 200),  # finalizer out
    ]
