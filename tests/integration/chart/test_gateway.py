"""The API server takes the objects of the Gateway API that the chart makes."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from chart import of_kind, render
from fairlead_devstack.custom_resources import install_manifests
from fairlead_devstack.gateway_api import gateway_manifest

GROUP, VERSION = "gateway.networking.k8s.io", "v1"
PLURALS = {"HTTPRoute": "httproutes", "BackendTLSPolicy": "backendtlspolicies"}


@pytest.fixture(scope="module")
def gateway_kinds(admin: client.ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The Gateway API's own definitions of the kinds; they go again, and with them the objects."""
    folder = tmp_path_factory.mktemp("gateway-api")
    for plural in PLURALS.values():
        shutil.copy(gateway_manifest(plural), Path(folder))
    try:
        installed = install_manifests(admin, folder)
        yield
    finally:
        for name in installed:
            client.ApiextensionsV1Api(admin).delete_custom_resource_definition(name)


def create(admin: client.ApiClient, item: dict[str, Any], namespace: str) -> None:
    """Create it with strict validation: a field that the kind does not know is refused."""
    item["metadata"]["namespace"] = namespace
    client.CustomObjectsApi(admin).create_namespaced_custom_object(
        GROUP, VERSION, namespace, PLURALS[item["kind"]], item, field_validation="Strict"
    )


@pytest.mark.usefixtures("gateway_kinds")
def test_a_route_and_its_policy_are_accepted(admin: client.ApiClient, namespace: str) -> None:
    objects = render(
        {
            "api": {
                "exportTimeout": 3600,
                "tls": {"secretName": "door"},
                "gateway": {
                    "enabled": True,
                    "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https", "port": 443}],
                    "hostnames": ["volume.example.org", "*.volume.example.org"],
                    "backendTLS": {"hostname": "volume.example.org", "caConfigMap": "ca"},
                    "annotations": {"example.org/owner": "storage"},
                },
            }
        }
    )
    made = [item for kind in PLURALS for item in of_kind(objects, kind)]
    assert len(made) == 2
    for item in made:
        create(admin, item, namespace)


@pytest.mark.usefixtures("gateway_kinds")
def test_the_api_server_looks_at_what_is_in_them(admin: client.ApiClient, namespace: str) -> None:
    (route,) = of_kind(render({"api": {"gateway": {"enabled": True, "parentRefs": [{"name": "public"}]}}}), "HTTPRoute")
    (rule,) = route["spec"]["rules"]
    rule["timeouts"]["request"] = "a while"
    with pytest.raises(client.ApiException, match=r"timeouts\.request"):
        create(admin, route, namespace)
