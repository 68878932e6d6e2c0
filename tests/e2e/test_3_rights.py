"""What the release's accounts asked the API server for, against what the chart grants them."""

from collections import Counter

import pytest
from kubernetes import client

from fairlead_devstack.audit import AuditEntry
from fairlead_devstack.node import Node
from installation import Installation

Right = tuple[str, str]

IDLE = {
    "fairlead-operator": {
        # Server-side apply of a new object needs it besides `patch`, and the audit log says `patch` only.
        ("create", "backends"),
        # A cache that has missed something, or lost a race, is set right by a live read.
        ("get", "backends"),
        ("get", "volumes"),
        ("get", "attachments"),
        ("get", "nodeconnectors"),
        ("get", "nodes"),
        # Of an Attachment whose namesake left a Secret, or that wants one no more; else the garbage collector does it.
        ("delete", "secrets"),
        # What ends by itself: a refused Attachment, a reservation past its time.
        ("delete", "attachments"),
        # Abnormal transitions only.
        ("create", "events"),
    },
    "fairlead-api": {
        # A miss in the cache is confirmed by a live read.
        ("get", "volumes"),
        ("get", "attachments"),
        ("get", "namespaces"),
    },
}
"""Rights without a request in these tests, each with its reason; the integration tests ask for them."""


def asked(entries: list[AuditEntry], user: str) -> set[Right]:
    return {
        (entry.verb, f"{entry.resource}/{entry.subresource}" if entry.subresource else entry.resource)
        for entry in entries
        if entry.user == user
    }


def granted(admin: client.ApiClient, namespace: str, account: str) -> set[Right]:
    rbac = client.RbacAuthorizationV1Api(admin)
    roles = [rbac.read_cluster_role(account), rbac.read_namespaced_role(account, namespace)]
    return {(verb, r) for role in roles for rule in role.rules for verb in rule.verbs for r in rule.resources or []}


def test_no_request_of_the_release_was_refused(node: Node, installation: Installation) -> None:
    prefix = f"system:serviceaccount:{installation.release.namespace}:"
    refused = Counter(
        (entry.user, entry.verb, entry.resource, entry.subresource)
        for entry in node.audit_log.since(0)
        if entry.user.startswith(prefix) and (entry.forbidden or entry.code == 401)
    )
    assert not refused


@pytest.mark.parametrize("account", ["fairlead-operator", "fairlead-api"])
def test_an_account_may_what_it_asks_for_and_nothing_else(
    admin: client.ApiClient, node: Node, installation: Installation, account: str
) -> None:
    namespace = installation.release.namespace
    used = asked(node.audit_log.since(0), f"system:serviceaccount:{namespace}:{account}")
    # Every account may read what the API server offers; those requests name no resource.
    used = {right for right in used if right[1]}
    held = granted(admin, namespace, account)
    assert used <= held
    assert held - used <= IDLE[account]
