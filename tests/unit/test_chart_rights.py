"""The chart grants what the processes ask for, and nothing else."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml

from chart import NAMESPACE, Object, named, of_kind, render
from fairlead_crds import names
from rights import Right, rights

DEVSTACK = Path(__file__).parents[2] / "devstack" / "fairlead_devstack" / "rbac.yaml"

PORTALS = {("", "services", "get")}
"""Reading the portals' addresses, which are Services only where there is a chart."""


def granted_in_tests(kind: str, name: str) -> set[Right]:
    """The rights under which every integration test runs."""
    documents: Iterable[Object] = filter(None, yaml.safe_load_all(DEVSTACK.read_text()))
    (role,) = [item for item in documents if (item["kind"], item["metadata"]["name"]) == (kind, name)]
    return rights(role)


def test_the_operator_has_the_rights_that_the_tests_run_with() -> None:
    objects = render()
    everywhere = rights(named(objects, "ClusterRole", names.OPERATOR_ACCOUNT))
    assert everywhere == granted_in_tests("ClusterRole", names.OPERATOR_ACCOUNT)
    assert (
        rights(named(objects, "Role", names.OPERATOR_ACCOUNT))
        == granted_in_tests("Role", names.OPERATOR_ACCOUNT) | PORTALS
    )


def test_the_facade_has_the_rights_that_the_tests_run_with() -> None:
    objects = render({"api": {"createNamespaces": True}})
    assert rights(named(objects, "ClusterRole", names.FACADE_ACCOUNT)) == granted_in_tests(
        "ClusterRole", names.FACADE_ACCOUNT
    )
    assert rights(named(objects, "Role", names.FACADE_ACCOUNT)) == granted_in_tests("Role", names.FACADE_ACCOUNT)


@pytest.mark.parametrize(
    ("api", "reviews", "creates"),
    [
        ({}, True, False),
        ({"createNamespaces": True}, True, True),
        ({"auth": {"mode": "noauth"}}, False, False),
        ({"auth": {"mode": "keystone", "keystone": {"url": "x", "passwordSecret": {"name": "y"}}}}, False, True),
    ],
)
def test_the_facade_s_rights_follow_its_settings(api: dict[str, Any], reviews: bool, creates: bool) -> None:
    held = rights(named(render({"api": api}), "ClusterRole", names.FACADE_ACCOUNT))
    assert (("authentication.k8s.io", "tokenreviews", "create") in held) == reviews
    assert (("authorization.k8s.io", "subjectaccessreviews", "create") in held) == reviews
    assert (("", "namespaces", "create") in held) == creates


def test_only_portals_may_be_read_of_the_services() -> None:
    role = named(render(), "Role", names.OPERATOR_ACCOUNT)
    (rule,) = [rule for rule in role["rules"] if "services" in rule["resources"]]
    assert rule["resourceNames"] == ["fairlead-portal-local"]


def test_nobody_has_a_wildcard() -> None:
    for role in (*of_kind(render(), "ClusterRole"), *of_kind(render(), "Role")):
        assert not any("*" in right for right in rights(role)), role["metadata"]["name"]


def test_who_may_edit_may_not_write_status_nor_cut_nodes_off() -> None:
    edit = named(render(), "ClusterRole", "fairlead-edit")
    assert edit["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-edit"] == "true"
    assert not {right for right in rights(edit) if right[1].endswith("/status")}
    assert {verb for _, _, verb in rights(edit)} == {"create", "update", "patch", "delete", "deletecollection", "get"}
    assert ("fairlead.dev", "attachments/connection", "get") in rights(edit)


def test_who_may_view_does_not_see_credentials() -> None:
    view = named(render(), "ClusterRole", "fairlead-view")
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert {verb for _, _, verb in rights(view)} == {"get", "list", "watch"}
    assert not {resource for _, resource, _ in rights(view) if "/" in resource}


@pytest.mark.parametrize(("policy", "deletes"), [("Refuse", False), ("Drain", True)])
def test_the_uninstallation_detaches_only_when_told_to(policy: str, deletes: bool) -> None:
    role = named(render({"uninstall": {"policy": policy}}), "ClusterRole", "fairlead-uninstall")
    assert (("fairlead.dev", "attachments", "force-detach") in rights(role)) == deletes
    assert role["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"


def test_every_account_is_bound_in_its_namespace() -> None:
    objects = render()
    accounts = {item["metadata"]["name"] for item in of_kind(objects, "ServiceAccount")}
    bindings = [*of_kind(objects, "ClusterRoleBinding"), *of_kind(objects, "RoleBinding")]
    for subject in (subject for binding in bindings for subject in binding["subjects"]):
        assert subject["namespace"] == NAMESPACE
        assert subject["name"] in accounts
