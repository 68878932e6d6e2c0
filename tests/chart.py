"""The chart, rendered by the real helm."""

import functools
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from fairlead_devstack.lookup import locate_helm

CHART = Path(__file__).parents[1] / "charts" / "fairlead"
NAMESPACE = "storage"

Object = dict[str, Any]


class Refused(Exception):
    """helm does not render it; the message is helm's."""


def render(values: Mapping[str, Any] | None = None, *, release: str = "fairlead") -> list[Object]:
    """Return every object of the chart, hooks too, as `helm install --namespace storage` would send them."""
    return list(_render(json.dumps(values or {}), release))


def of_kind(objects: Sequence[Object], kind: str) -> list[Object]:
    return [item for item in objects if item["kind"] == kind]


def named(objects: Sequence[Object], kind: str, name: str) -> Object:
    found = [item for item in of_kind(objects, kind) if item["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects {kind} {name}"
    return found[0]


def pods(objects: Sequence[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that the objects make, with the name of its maker."""
    for item in objects:
        if item["kind"] == "Pod":
            yield item["metadata"]["name"], item["spec"]
        elif item["kind"] in ("Deployment", "StatefulSet", "Job"):
            yield item["metadata"]["name"], item["spec"]["template"]["spec"]


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


@functools.cache
def helm() -> str:
    return str(locate_helm().path)


@functools.cache
def _render(values: str, release: str) -> tuple[Object, ...]:
    done = subprocess.run(
        # Without a cluster helm has to be told its version.
        [
            helm(),
            "template",
            release,
            str(CHART),
            "--namespace",
            NAMESPACE,
            "--kube-version",
            "1.36.0",
            "--values",
            "-",
        ],
        input=values,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Refused(done.stderr)
    return tuple(filter(None, yaml.safe_load_all(done.stdout)))
