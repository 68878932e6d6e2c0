"""What may be set, what is refused, and what the chart installs besides pods."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from chart import CHART, NAMESPACE, Refused, helm, named, of_kind, pods, render
from fairlead_crds.definitions import definition
from fairlead_crds.kinds import KINDS
from fairlead_crds.policies import Identities, manifests

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())


def groups(values: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every map in the values whose keys the chart knows."""
    yield path
    for key, value in values.items():
        if isinstance(value, dict) and key not in ("requests", "limits") and value:
            yield from groups(value, (*path, key))


def nested(path: tuple[str, ...], leaf: Mapping[str, Any]) -> dict[str, Any]:
    result: Any = dict(leaf)
    for key in reversed(path):
        result = {key: result}
    return dict(result)


def test_helm_s_linter_is_content() -> None:
    done = subprocess.run([helm(), "lint", "--strict", str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", [p for p in groups(VALUES) if p != ("backends",)], ids=".".join)
def test_an_unknown_key_is_refused(path: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match="mistyped"):
        render(nested(path, {"mistyped": True}))


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"api": {"auth": {"mode": "trust"}}}, "mode"),
        ({"api": {"auth": {"mode": "keystone"}}}, "api.auth.keystone.url is needed"),
        ({"api": {"ingress": {"enabled": True}}}, "api.ingress.host is needed"),
        ({"uninstall": {"policy": "Force"}}, "policy"),
        ({"podSecurity": {"runAsUser": 0}}, "runAsUser"),
        ({"backends": {"Upper": {}}}, "Upper"),
        ({"backends": {"local": {"tgtd": {"storage": {"type": "HostPath"}}}}}, "hostPath is needed"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word):
        render(values)


def test_every_object_map_of_the_schema_is_closed() -> None:
    def open_maps(schema: Any, path: str) -> Iterator[str]:
        if isinstance(schema, dict):
            if "properties" in schema and schema.get("additionalProperties") is not False:
                yield path
            for key, value in schema.items():
                yield from open_maps(value, f"{path}.{key}")

    assert list(open_maps(SCHEMA, "")) == []


def test_the_kinds_are_those_of_the_models_and_stay() -> None:
    found = {item["metadata"]["name"]: item for item in of_kind(render(), "CustomResourceDefinition")}
    assert len(found) == len(KINDS)
    for kind in KINDS:
        wanted = definition(kind)
        item = found[wanted["metadata"]["name"]]
        assert item["spec"] == yaml.safe_load(yaml.safe_dump(wanted["spec"]))
        assert item["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_kinds_may_go_or_be_someone_else_s() -> None:
    going = of_kind(render({"crds": {"keep": False}}), "CustomResourceDefinition")
    assert len(going) == len(KINDS)
    assert all("annotations" not in item["metadata"] for item in going)
    assert not of_kind(render({"crds": {"enabled": False}}), "CustomResourceDefinition")


@pytest.mark.parametrize(
    ("values", "operator", "facade"),
    [
        ({}, "fairlead-operator", "fairlead-api"),
        (
            {"fullnameOverride": "x", "api": {"serviceAccount": {"name": "door"}}},
            "x-operator",
            "door",
        ),
    ],
)
def test_the_admission_policies_know_the_release_s_accounts(values: dict[str, Any], operator: str, facade: str) -> None:
    wanted = manifests(Identities(namespace=NAMESPACE, operator=operator, facade=facade))
    found = [item for item in render(values) if item["kind"].startswith("ValidatingAdmissionPolicy")]

    def key(item: dict[str, Any]) -> tuple[str, str]:
        return item["kind"], item["metadata"]["name"]

    assert sorted(found, key=key) == sorted(wanted, key=key)


def test_names_begin_with_the_release_s() -> None:
    cluster_wide = ("CustomResourceDefinition", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for item in render(release="blue"):
        if item["kind"] not in cluster_wide:
            assert item["metadata"]["name"].startswith("blue-fairlead-"), item["kind"]


def test_images_come_from_the_registry_that_is_set() -> None:
    objects = render({"image": {"registry": "registry.example/x/", "tag": "7"}})
    images = {c["image"] for _, pod in pods(objects) for c in (*pod.get("initContainers", []), *pod["containers"])}
    assert images == {f"registry.example/x/fairlead/{process}:7" for process in ("operator", "api", "tgtd")}


def test_by_default_only_the_release_s_namespace_reaches_the_facade() -> None:
    policy = named(render(), "NetworkPolicy", "fairlead-api")
    assert policy["spec"]["ingress"] == [{"ports": [{"port": "http"}], "from": [{"podSelector": {}}]}]


def test_what_is_off_is_not_there() -> None:
    objects = render({"api": {"enabled": False}, "networkPolicy": {"enabled": False}, "uninstall": {"policy": "None"}})
    assert {name for name, _ in pods(objects)} == {"fairlead-controller", "fairlead-backend-local"}
    assert not of_kind(objects, "NetworkPolicy")
    assert not of_kind(objects, "PodDisruptionBudget")
