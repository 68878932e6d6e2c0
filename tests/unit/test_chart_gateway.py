"""The facade behind a Gateway, by the chart's values."""

from typing import Any

import pytest

from chart import NAMESPACE, Refused, named, of_kind, render

PARENT: dict[str, Any] = {"name": "public", "namespace": "gateways", "sectionName": "https"}


def values(**api: Any) -> dict[str, Any]:
    return {"api": {"gateway": {"enabled": True, "parentRefs": [PARENT]}, **api}}


def test_there_is_no_route_unless_asked_for() -> None:
    assert not of_kind(render(), "HTTPRoute")
    assert not of_kind(render({"api": {**values()["api"], "enabled": False}}), "HTTPRoute")


def test_the_route_leads_from_the_gateway_to_the_facade_s_port() -> None:
    objects = render(values(service={"port": 80}))
    route = named(objects, "HTTPRoute", "fairlead-api")
    assert route["metadata"]["namespace"] == NAMESPACE
    assert route["spec"]["parentRefs"] == [PARENT]
    assert "hostnames" not in route["spec"]
    (rule,) = route["spec"]["rules"]
    (backend,) = rule["backendRefs"]
    service = named(objects, "Service", backend["name"])
    assert [port["port"] for port in service["spec"]["ports"]] == [backend["port"]] == [80]
    assert not of_kind(objects, "BackendTLSPolicy")


def test_a_gateway_waits_as_long_as_the_facade_may() -> None:
    (rule,) = named(render(values(exportTimeout=59.5)), "HTTPRoute", "fairlead-api")["spec"]["rules"]
    assert rule["timeouts"] == {"request": "75s"}


def test_a_facade_with_tls_is_checked_by_the_gateway() -> None:
    gateway = {**values()["api"]["gateway"], "backendTLS": {"hostname": "volume.example.org", "caConfigMap": "ca"}}
    objects = render({"api": {"gateway": gateway, "tls": {"secretName": "door"}}})
    spec = named(objects, "BackendTLSPolicy", "fairlead-api")["spec"]
    assert spec["targetRefs"] == [{"group": "", "kind": "Service", "name": "fairlead-api"}]
    assert spec["validation"] == {
        "hostname": "volume.example.org",
        "caCertificateRefs": [{"group": "", "kind": "ConfigMap", "name": "ca"}],
    }


@pytest.mark.parametrize(
    ("api", "word"),
    [
        ({"gateway": {"enabled": True}}, "api.gateway.parentRefs is needed"),
        ({"gateway": {"enabled": True, "parentRefs": [{"namespace": "gateways"}]}}, "name"),
        ({"gateway": {"enabled": True, "parentRefs": [{**PARENT, "listener": "https"}]}}, "listener"),
        ({"gateway": {"hostnames": ["https://volume.example.org"]}}, "hostnames"),
        (values(tls={"secretName": "door"})["api"], "api.gateway.backendTLS.hostname is needed"),
    ],
)
def test_a_route_that_cannot_be_is_refused(api: dict[str, Any], word: str) -> None:
    with pytest.raises(Refused, match=word):
        render({"api": api})
