"""What the chart's pods may do, are told, and are asked."""

from typing import Any

import pytest

from chart import NAMESPACE, containers, named, of_kind, pods, render
from fairlead_api.settings import Settings as FacadeSettings
from fairlead_api.transport.options import TransportOptions
from fairlead_operator.settings import Settings as OperatorSettings

Pod = dict[str, Any]
PODS = dict(pods(render()))
WITH_TOKEN = {"operator", "api", "test", "uninstall"}


def container(name: str, of: str) -> Pod:
    found = [c for c in containers(PODS[of]) if c["name"] == name]
    assert len(found) == 1
    return found[0]


def arguments(name: str, of: str) -> list[str]:
    """A container's arguments with the kubelet's expansions."""
    return [
        str(a).replace("$(POD_NAME)", "pod-0").replace("$(POD_IP)", "192.0.2.7") for a in container(name, of)["args"]
    ]


def test_there_is_a_pod_for_each_process_and_hook() -> None:
    assert set(PODS) == {
        "fairlead-api",
        "fairlead-controller",
        "fairlead-backend-local",
        "fairlead-uninstall",
        "fairlead-test",
    }


@pytest.mark.parametrize("name", PODS)
def test_a_pod_keeps_to_pod_security_restricted(name: str) -> None:
    pod = PODS[name]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert all(not {"hostPath"} & set(volume) for volume in pod["volumes"])
    for c in containers(pod):
        assert c["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@pytest.mark.parametrize("name", PODS)
def test_only_who_speaks_to_the_api_server_has_a_token(name: str) -> None:
    pod = PODS[name]
    assert pod["automountServiceAccountToken"] is False
    for c in containers(pod):
        has = any(mount["name"] == "api-access" for mount in c["volumeMounts"])
        assert has == (c["name"] in WITH_TOKEN), c["name"]


@pytest.mark.parametrize("name", sorted(set(PODS) - {"fairlead-test"}))
def test_services_do_not_become_options(name: str) -> None:
    # A Service fairlead-api makes FAIRLEAD_API_PORT=tcp://..., one named fairlead FAIRLEAD_PORT, which is an option.
    assert PODS[name]["enableServiceLinks"] is False


@pytest.mark.parametrize("name", PODS)
def test_a_container_asks_for_what_it_needs(name: str) -> None:
    assert all(c["resources"]["requests"].keys() == {"cpu", "memory"} for c in containers(PODS[name]))


def test_a_backend_s_operator_serves_it_alone() -> None:
    settings = OperatorSettings.from_arguments(arguments("operator", "fairlead-backend-local"))
    assert (settings.backends, settings.controller, settings.system_namespace) == (("local",), False, NAMESPACE)
    assert (settings.identity, settings.health_host, settings.health_port) == ("pod-0", "192.0.2.7", 8080)


def test_the_controller_applies_the_backends_and_serves_none() -> None:
    settings = OperatorSettings.from_arguments(arguments("operator", "fairlead-controller"))
    assert settings.controller_only
    assert not settings.serves("local")
    mounts = container("operator", "fairlead-controller")["volumeMounts"]
    assert str(settings.backends_from) in [mount["mountPath"] for mount in mounts]


def test_backends_without_a_daemon_are_served_apart_from_the_controller() -> None:
    found = dict(pods(render({"backends": {"array": {"driver": "other", "parameters": {"url": "x"}}}})))
    told = {
        name: OperatorSettings.from_arguments(
            [a.replace("$(POD_IP)", "::1") for a in found[f"fairlead-{name}"]["containers"][0]["args"]]
        )
        for name in ("controller", "remote")
    }
    assert (told["remote"].backends, told["remote"].controller, told["controller"].controller_only) == (
        ("array",), False, True
    )  # fmt: skip


def test_every_operator_sees_only_its_part() -> None:
    """The API server filters what a backend's operator watches, and what the controller does."""
    names = {
        "fairlead-controller": "!fairlead.dev/backend",
        "fairlead-backend-local": "fairlead.dev/backend in (local)",
    }
    shards = {name: OperatorSettings.from_arguments(arguments("operator", name)).shard.selector for name in names}
    assert shards == names


def test_the_facade_takes_its_arguments() -> None:
    settings = FacadeSettings.read(arguments("api", "fairlead-api"), {})
    assert (settings.host, settings.port, settings.auth_mode) == ("192.0.2.7", 8776, "kubernetes")
    assert settings.system_namespace == NAMESPACE


@pytest.mark.parametrize("mode", ["noauth", "keystone"])
def test_the_facade_takes_the_arguments_of_the_other_modes(mode: str) -> None:
    keystone = {"url": "https://identity.example/v3", "passwordSecret": {"name": "facade"}}
    objects = render({"api": {"auth": {"mode": mode, "keystone": keystone}}})
    given = [a.replace("$(POD_IP)", "192.0.2.7") for a in dict(pods(objects))["fairlead-api"]["containers"][0]["args"]]
    assert FacadeSettings.read(given, {}).auth_mode == mode


def test_the_facade_s_limits_are_values_with_its_own_defaults() -> None:
    def limits(values: dict[str, Any]) -> TransportOptions:
        pod = dict(pods(render(values)))["fairlead-api"]
        return FacadeSettings.read([a.replace("$(POD_IP)", "::1") for a in pod["containers"][0]["args"]], {}).transport

    assert limits({}) == TransportOptions()
    given = {"connections": 1000000, "clientConnections": 2, "clientRate": 0, "requestSeconds": 0.5}
    assert limits({"api": {"limits": given}}) == TransportOptions(
        connections=1000000, client_connections=2, client_rate=0, request_seconds=0.5
    )


def test_the_facade_serves_tls_with_a_secret() -> None:
    objects = render({"api": {"tls": {"secretName": "door"}}})
    pod = dict(pods(objects))["fairlead-api"]
    given = [a.replace("$(POD_IP)", "192.0.2.7") for a in pod["containers"][0]["args"]]
    transport = FacadeSettings.read(given, {}).transport
    (mount,) = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] == "tls"]
    assert [str(transport.certificate), str(transport.key)] == [f"{mount}/tls.crt", f"{mount}/tls.key"]
    assert {"name": "tls", "secret": {"secretName": "door", "defaultMode": 0o440}} in pod["volumes"]
    assert named(objects, "Service", "fairlead-api")["spec"]["ports"][0]["appProtocol"] == "https"


def test_probes_ask_different_questions() -> None:
    for of, name in (
        ("fairlead-api", "api"),
        ("fairlead-controller", "operator"),
        ("fairlead-backend-local", "operator"),
    ):
        c = container(name, of)
        asked = [c[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
        assert asked == ["/startupz", "/readyz", "/livez"]
        patience = c["livenessProbe"]["periodSeconds"] * c["livenessProbe"]["failureThreshold"]
        assert patience >= 60
        assert c["startupProbe"]["periodSeconds"] == 1


def test_the_target_daemon_outlives_its_operator() -> None:
    pod = PODS["fairlead-backend-local"]
    assert [(c["name"], c["restartPolicy"]) for c in pod["initContainers"]] == [("tgtd", "Always")]
    # The fence looks at tgtd's open connections.
    assert pod["shareProcessNamespace"] is True


def test_a_node_s_disk_does_not_hang_on_readiness() -> None:
    service = named(render(), "Service", "fairlead-portal-local")
    assert service["spec"]["publishNotReadyAddresses"] is True
    labels = named(render(), "StatefulSet", "fairlead-backend-local")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


@pytest.mark.parametrize("kind", ["Service", "NetworkPolicy", "PodDisruptionBudget"])
def test_what_selects_pods_selects_some(kind: str) -> None:
    objects = render()
    templates = [item["spec"]["template"]["metadata"]["labels"] for item in of_kind(objects, "Deployment")]
    templates += [item["spec"]["template"]["metadata"]["labels"] for item in of_kind(objects, "StatefulSet")]
    for item in of_kind(objects, kind):
        spec = item["spec"]
        selector = (
            spec["selector"] if kind == "Service" else (spec.get("selector") or spec["podSelector"])["matchLabels"]
        )
        assert [labels for labels in templates if selector.items() <= labels.items()], item["metadata"]["name"]


def test_a_folder_of_the_node_may_hold_the_data() -> None:
    storage = {"type": "HostPath", "hostPath": "/srv/volumes"}
    stateful = named(
        render({"backends": {"local": {"tgtd": {"storage": storage}}}}), "StatefulSet", "fairlead-backend-local"
    )
    assert "volumeClaimTemplates" not in stateful["spec"]
    volumes = stateful["spec"]["template"]["spec"]["volumes"]
    assert {"name": "data", "hostPath": {"path": "/srv/volumes", "type": "Directory"}} in volumes
