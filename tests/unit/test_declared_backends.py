"""Backends from files: what a file may hold, and which address of a Service nodes are told."""

from pathlib import Path
from typing import Any

import pytest

from fairlead_operator.declared_backends import Undeclarable, declared_in, service_address
from fairlead_operator.settings import Settings

BACKEND = "apiVersion: fairlead.dev/v1alpha1\nkind: Backend\nmetadata: {name: %s}\nspec: {driver: iscsi-tgt}\n"


def service(**fields: Any) -> dict[str, Any]:
    status = fields.pop("status", {})
    return {"metadata": {"name": "portal"}, "spec": fields, "status": status}


def balanced(**entry: str) -> dict[str, Any]:
    return service(type="LoadBalancer", clusterIP="10.0.0.1", status={"loadBalancer": {"ingress": [entry]}})


def test_a_file_may_hold_several(tmp_path: Path) -> None:
    path = tmp_path / "all.yaml"
    path.write_text(BACKEND % "a" + "---\n" + BACKEND % "b")
    assert [body["metadata"]["name"] for body in declared_in(path)] == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("kind: [", "cannot be read"),
        ("just words", "something else"),
        (BACKEND.replace("Backend", "Volume") % "a", "something else"),
        (BACKEND % "''", "without a name"),
    ],
)
def test_anything_else_is_refused(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(Undeclarable, match=word):
        list(declared_in(path))


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (service(type="ClusterIP", clusterIP="10.96.0.7"), "10.96.0.7"),
        (service(type="ClusterIP", clusterIP="fd00::7"), "[fd00::7]"),
        (balanced(ip="192.0.2.1"), "192.0.2.1"),
        (balanced(hostname="lb.example.org"), "lb.example.org"),
    ],
)
def test_a_service_s_address(body: dict[str, Any], address: str) -> None:
    assert service_address(body) == address


@pytest.mark.parametrize(
    "body",
    [
        service(type="ClusterIP", clusterIP="None"),
        service(type="ExternalName"),
        service(type="LoadBalancer", clusterIP="10.0.0.1"),
    ],
)
def test_a_service_without_an_address_is_waited_for(body: dict[str, Any]) -> None:
    with pytest.raises(Undeclarable, match="Service portal has no"):
        service_address(body)


def test_one_process_may_serve_no_backend() -> None:
    assert not Settings.from_arguments(["--controller-only"]).serves("local")
    assert Settings.from_arguments([]).serves("local")
    assert not Settings.from_arguments(["--backend", "other"]).serves("local")


@pytest.mark.parametrize("other", [["--backend", "local"], ["--no-controller"]])
def test_serving_none_goes_with_nothing_else(other: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        Settings.from_arguments(["--controller-only", *other])
    assert "serves no Backend" in capsys.readouterr().err
