"""Backends in the chart's values become Backends that their driver takes."""

from typing import Any

import pytest
import yaml

from chart import Refused, named, of_kind, render
from fairlead_crds.kinds import Backend
from fairlead_operator.declared_backends import PORTAL_SERVICE
from fairlead_operator.drivers.iscsi_tgt_parameters import IscsiTgtParameters


def declared(values: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    data = named(render(values), "ConfigMap", "fairlead-backends")["data"] or {}
    return {name: yaml.safe_load(text) for name, text in data.items()}


def parameters(body: dict[str, Any], portal: str | None = None) -> IscsiTgtParameters:
    given = dict(Backend.model_validate(body).spec.parameters)
    return IscsiTgtParameters.model_validate(given if portal is None else {**given, "portal": portal})


def test_by_default_there_is_one_on_a_target_daemon_behind_a_service() -> None:
    (body,) = declared().values()
    assert (body["metadata"]["name"], body["spec"]["default"]) == ("local", True)
    service, _, port = body["metadata"]["annotations"][PORTAL_SERVICE].rpartition(":")
    spec = named(render(), "Service", service)["spec"]
    assert [str(p["port"]) for p in spec["ports"]] == [port]
    # The operator fills in the portal; the rest is complete.
    assert parameters(body, portal="10.0.0.1:3260").supervised is False


def test_the_daemon_is_where_the_parameters_say() -> None:
    (body,) = declared().values()
    pod = named(render(), "StatefulSet", "fairlead-backend-local")["spec"]["template"]["spec"]
    (tgtd,) = pod["initContainers"]
    environment = {variable["name"]: variable.get("value") for variable in tgtd["env"]}
    assert body["spec"]["parameters"]["socketPath"] == f"{environment['TGT_IPC_SOCKET']}.0"
    places = {mount["mountPath"] for mount in tgtd["volumeMounts"]}
    assert places <= {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert any(body["spec"]["parameters"]["dataDir"].startswith(f"{place}/") for place in places)


@pytest.mark.parametrize(("address", "portal"), [("192.0.2.1", "192.0.2.1:3261"), ("fd00::1", "[fd00::1]:3261")])
def test_a_portal_may_be_the_node_s(address: str, portal: str) -> None:
    values = {"backends": {"local": {"tgtd": {"portal": {"type": "Node", "address": address, "port": 3261}}}}}
    (body,) = declared(values).values()
    assert parameters(body).told_portal == portal
    assert "annotations" not in body["metadata"]
    assert [s["metadata"]["name"] for s in of_kind(render(values), "Service")] == ["fairlead-api", "fairlead-metrics"]
    pod = named(render(values), "StatefulSet", "fairlead-backend-local")["spec"]["template"]["spec"]
    assert pod["initContainers"][0]["ports"] == [{"name": "iscsi", "containerPort": 3260, "hostPort": 3261}]


def test_a_node_portal_needs_an_address() -> None:
    with pytest.raises(Refused, match=r"backends.local.tgtd.portal.address is needed"):
        render({"backends": {"local": {"tgtd": {"portal": {"type": "Node"}}}}})


def test_a_backend_can_be_left_out() -> None:
    values: dict[str, Any] = {"backends": {"local": None}}
    assert declared(values) == {}
    assert not of_kind(render(values), "StatefulSet")


def test_several_each_have_their_own() -> None:
    more = {"fast": {"tgtd": {"enabled": True}}, "array": {"driver": "other", "allowedNamespaces": ["a"]}}
    values = {"backends": more}
    assert set(declared(values)) == {"local.yaml", "fast.yaml", "array.yaml"}
    assert [s["metadata"]["name"] for s in of_kind(render(values), "StatefulSet")] == [
        "fairlead-backend-fast",
        "fairlead-backend-local",
    ]
    assert declared(values)["array.yaml"]["spec"]["allowedNamespaces"] == ["a"]
    assert declared(values)["fast.yaml"]["spec"]["default"] is False


def test_a_change_of_them_restarts_the_controller_only() -> None:
    values = {"backends": {"local": {"parameters": {"nodeTimeoutSeconds": 20}}}}
    before, after = render(), render(values)

    def template(objects: list[dict[str, Any]], kind: str, name: str) -> Any:
        return named(objects, kind, name)["spec"]["template"]

    controller, stateful = ("Deployment", "fairlead-controller"), ("StatefulSet", "fairlead-backend-local")
    assert template(before, *controller) != template(after, *controller)
    assert template(before, *stateful) == template(after, *stateful)
