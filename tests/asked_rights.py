"""What operator and facade ask API servers for, against what they are granted: nothing refused, nothing idle."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from kubernetes import client

from fairlead_crds import names
from fairlead_devstack.api_client import connect
from fairlead_devstack.audit import AuditLog
from fairlead_devstack.control_plane import ControlPlane

Right = tuple[str, str]
"""Verb, and resource with its subresource."""

ACCOUNTS = (names.OPERATOR_ACCOUNT, names.FACADE_ACCOUNT)

UNSEEN: Mapping[str, Mapping[Right, str]] = {
    names.OPERATOR_ACCOUNT: {
        ("create", "backends"): "to apply a new object needs it besides patch, and the audit log says patch only",
    },
    names.FACADE_ACCOUNT: {},
}
"""Rights that no audit log shows in use, each with its reason."""

_PAGES = "an API server that does not stream its lists is asked for pages"

RARE: Mapping[str, Mapping[Right, str]] = {
    names.OPERATOR_ACCOUNT: {
        ("get", "backends"): "a lost race is set right by a live read",
        ("get", "volumes"): "a miss in the cache is confirmed by a live read, and a lost race set right by one",
        ("get", "attachments"): "a lost race is set right by a live read; a restored ledger is checked by one",
        ("get", "nodeconnectors"): "a miss in the cache is confirmed by a live read",
        ("get", "nodes"): "a miss in the cache is confirmed by a live read",
        ("delete", "secrets"): "of an Attachment that wants none any more; else the garbage collector does it",
        ("delete", "attachments"): "of what ends by itself: a refused Attachment, a reservation past its time",
        ("create", "events"): "abnormal transitions only",
        **{("list", kind): _PAGES for kind in ("backends", "volumes", "attachments", "nodeconnectors", "nodes")},
    },
    names.FACADE_ACCOUNT: {
        ("get", "volumes"): "a miss in the cache is confirmed by a live read",
        ("get", "attachments"): "a miss in the cache is confirmed by a live read",
        ("get", "namespaces"): "a miss in the cache is confirmed by a live read",
        **{("list", kind): _PAGES for kind in ("backends", "volumes", "attachments", "namespaces")},
    },
}
"""Rights for what does not happen every day, each with its occasion. The integration tests bring about all of them."""


@dataclass
class Asked:
    """Requests of Fairlead's accounts, summed up over control planes."""

    used: dict[str, set[Right]] = field(default_factory=lambda: defaultdict(set))
    refused: set[tuple[str, Right]] = field(default_factory=set)
    held: dict[str, set[Right]] = field(default_factory=dict)

    def hold(self, plane: ControlPlane) -> None:
        """Note what a control plane grants to the accounts, if it has them."""
        with connect(plane.kubeconfig) as api:
            roles = {role.metadata.name for role in client.RbacAuthorizationV1Api(api).list_cluster_role().items}
            self.held = {account: granted(api, account) for account in ACCOUNTS if account in roles}

    def add(self, log: AuditLog, namespace: str = names.SYSTEM_NAMESPACE) -> None:
        """Add what the accounts in a namespace asked for."""
        prefix = f"system:serviceaccount:{namespace}:"
        for entry in log.of(prefix):
            account = entry.user.removeprefix(prefix)
            if account not in ACCOUNTS:
                continue
            right = entry.verb, f"{entry.resource}/{entry.subresource}" if entry.subresource else entry.resource
            if entry.forbidden:
                self.refused.add((account, right))
            elif entry.resource:
                # The others are about what the API server offers, which every account may read.
                self.used[account].add(right)

    def judge(self, *, whole: bool) -> list[str]:
        """Say what is wrong, a line each.

        Args:
            whole: whether all ran that ever asks for something, so that what nobody asked for is idle.
        """
        wrong = [f"{account} was refused: {verb} {resource}" for account, (verb, resource) in sorted(self.refused)]
        for account, held in self.held.items() if whole else ():
            unseen = held - self.used[account]
            wrong += [f"{account} never used: {verb} {r}" for verb, r in sorted(unseen - UNSEEN[account].keys())]
            wrong += [
                f"{account} needs no reason any more: {verb} {r}" for verb, r in sorted(UNSEEN[account].keys() - unseen)
            ]
        return wrong


def granted(api: client.ApiClient, account: str, namespace: str = names.SYSTEM_NAMESPACE) -> set[Right]:
    """What an account's roles grant, in the cluster and in its namespace."""
    rbac = client.RbacAuthorizationV1Api(api)
    roles = [rbac.read_cluster_role(account), rbac.read_namespaced_role(account, namespace)]
    return {(verb, r) for role in roles for rule in role.rules for verb in rule.verbs for r in rule.resources or []}
