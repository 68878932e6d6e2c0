"""A release that is held to some namespaces."""

from typing import Any

import pytest

from chart import NAMESPACE, Object, Refused, containers, named, of_kind, pods, render
from fairlead_api.settings import Settings as FacadeSettings
from fairlead_operator.settings import Settings as OperatorSettings
from rights import rights

SOME = ["alpha", "beta"]
HELD: dict[str, Any] = {"scope": {"namespaces": SOME}, "uninstall": {"policy": "Drain"}}
ACCOUNTS = ("fairlead-operator", "fairlead-api", "fairlead-uninstall")
NAMESPACED = {"volumes", "volumes/status", "attachments", "attachments/status", "secrets", "events"}


def roles(objects: list[Object], kind: str, account: str) -> list[Object]:
    """What is bound to an account by bindings of a kind."""
    bindings = [b for b in of_kind(objects, f"{kind}Binding") if b["subjects"][0]["name"] == account]
    assert all(b["subjects"][0]["namespace"] == NAMESPACE for b in bindings)
    assert all(b["roleRef"]["kind"] == kind for b in bindings)
    bound = {(b["metadata"].get("namespace"), b["roleRef"]["name"]) for b in bindings}
    return [r for r in of_kind(objects, kind) if (r["metadata"].get("namespace"), r["metadata"]["name"]) in bound]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_no_right_on_what_is_in_namespaces_is_the_cluster_s(account: str) -> None:
    (role,) = roles(render(HELD), "ClusterRole", account)
    assert not {resource for _, resource, _ in rights(role)} & NAMESPACED


@pytest.mark.parametrize("account", ACCOUNTS)
def test_the_rights_are_the_same_as_ever_in_each_of_the_namespaces(account: str) -> None:
    (everywhere,) = roles(render({"uninstall": {"policy": "Drain"}}), "ClusterRole", account)
    held = render(HELD)
    (cluster,) = roles(held, "ClusterRole", account)
    for namespace in SOME:
        (here,) = [r for r in roles(held, "Role", account) if r["metadata"]["namespace"] == namespace]
        # How a namespace that is gone is known is the one thing that is added.
        assert rights(here) | rights(cluster) == rights(everywhere) | {("", "namespaces", "list")}
        assert not rights(here) & rights(cluster)


def test_elsewhere_the_operator_writes_events_on_backends_and_the_keys() -> None:
    found = {r["metadata"]["namespace"]: rights(r) for r in roles(render(HELD), "Role", "fairlead-operator")}
    assert set(found) == {*SOME, NAMESPACE, "default"}
    assert found["default"] == {("events.k8s.io", "events", "create")}
    assert ("", "secrets", "create") in found[NAMESPACE]
    assert len(roles(render({"scope": {"namespaces": ["default"]}}), "Role", "fairlead-operator")) == 2


@pytest.mark.parametrize("account", ["fairlead-operator", "fairlead-uninstall"])
def test_other_namespaces_are_not_even_listed(account: str) -> None:
    (role,) = roles(render(HELD), "ClusterRole", account)
    (rule,) = [rule for rule in role["rules"] if rule["resources"] == ["namespaces"]]
    assert rule["resourceNames"] == SOME


def test_every_process_is_told() -> None:
    found = dict(pods(render(HELD)))
    for name in ("fairlead-controller", "fairlead-backend-local"):
        (operator,) = [c for c in containers(found[name]) if c["name"] == "operator"]
        assert OperatorSettings.from_arguments(_with_addresses(operator["args"])).namespaces == tuple(SOME)
    facade = FacadeSettings.read(_with_addresses(found["fairlead-api"]["containers"][0]["args"]), {})
    assert (facade.namespaces, facade.create_namespaces) == (tuple(SOME), False)
    assert "--namespaces=alpha,beta" in found["fairlead-uninstall"]["containers"][0]["args"]


def test_it_tries_itself_in_one_of_them() -> None:
    objects = render(HELD)
    assert dict(pods(objects))["fairlead-test"]["containers"][0]["args"][1] == "alpha"
    assert named(objects, "Role", "fairlead-test")["metadata"]["namespace"] == "alpha"
    assert named(objects, "RoleBinding", "fairlead-test")["metadata"]["namespace"] == "alpha"


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"api": {"createNamespaces": True}}, "api.createNamespaces makes others"),
        ({"crds": {"keep": False}}, "crds.keep is needed"),
        ({"scope": {"namespaces": ["Alpha"]}}, "Alpha"),
    ],
)
def test_what_reaches_beyond_them_is_refused(values: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word):
        render({**HELD, **values})


def test_keystone_s_projects_get_no_namespaces_made() -> None:
    keystone = {"mode": "keystone", "keystone": {"url": "https://identity", "passwordSecret": {"name": "x"}}}
    (role,) = roles(render({**HELD, "api": {"auth": keystone}}), "ClusterRole", "fairlead-api")
    assert ("", "namespaces", "create") not in rights(role)


def _with_addresses(arguments: list[Any]) -> list[str]:
    return [str(a).replace("$(POD_NAME)", "pod-0").replace("$(POD_IP)", "192.0.2.7") for a in arguments]
