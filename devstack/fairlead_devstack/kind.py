"""``python -m fairlead_devstack.kind``: the chart in a kind cluster, for people with Docker.

It builds the images, makes the cluster if there is none, installs or upgrades the release and runs `helm test`. With
`--down` it removes the cluster. Everything it makes is in that cluster, except the images.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence

from fairlead_crds import names
from fairlead_devstack.gobuild import BuildFailed
from fairlead_devstack.images import CHART, CHECKOUT, ImagesFailed, build_images, default_tag, image_names
from fairlead_devstack.interruption import EXIT_CODE, end_on_signals
from fairlead_devstack.lookup import locate_helm
from fairlead_devstack.progress import say

CLUSTER = "fairlead"
_CONTEXT = f"kind-{CLUSTER}"


class KindFailed(Exception):
    """Something is missing or did not work; the message says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(prog="fairlead_devstack.kind", description="Run the chart in a kind cluster.")
    parser.add_argument("--down", action="store_true", help="remove the cluster")
    options = parser.parse_args(arguments)
    end_on_signals()
    try:
        kind, docker = _require("kind", "https://kind.sigs.k8s.io"), _require_docker()
        if options.down:
            _run(kind, "delete", "cluster", "--name", CLUSTER)
        else:
            _up(kind, docker)
    except (KindFailed, ImagesFailed, BuildFailed) as error:
        say(str(error))
        return 1
    except KeyboardInterrupt:
        say("interrupted; `make kind KIND_ARGS=--down` removes what is there of the cluster")
        return EXIT_CODE
    return 0


def _up(kind: str, docker: str) -> None:
    images = image_names("", default_tag())
    build_images(docker, registry="", tag=default_tag())
    clusters = subprocess.run([kind, "get", "clusters"], capture_output=True, text=True, check=False).stdout.split()
    if CLUSTER not in clusters:
        say(f"making the kind cluster {CLUSTER}")
        _run(kind, "create", "cluster", "--name", CLUSTER, "--wait", "3m")
    say("loading the images")
    _run(kind, "load", "docker-image", "--name", CLUSTER, *images.values())
    helm = [str(locate_helm().path), "--kube-context", _CONTEXT, "--namespace", names.SYSTEM_NAMESPACE]
    say("installing the chart")
    _run(*helm, "upgrade", "fairlead", str(CHART), "--install", "--create-namespace", "--wait", "--timeout=5m")
    _run(*helm, "test", "fairlead", "--timeout=3m")
    say(f"up: kubectl --context {_CONTEXT} get backends; `make kind KIND_ARGS=--down` removes it")


def _require(program: str, where: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise KindFailed(f"{program} is not installed: see {where}. Without it, `make e2e` does the same as root")
    return found


def _require_docker() -> str:
    docker = _require("docker", "https://docs.docker.com/engine/install")
    asked = subprocess.run(
        [docker, "info", "--format", "{{json .ServerErrors}}"], capture_output=True, text=True, check=False
    )
    errors = json.loads(asked.stdout or "null") if asked.stdout.strip() else None
    if asked.returncode != 0 or errors:
        raise KindFailed(
            f"Docker's daemon does not answer: {' '.join(errors or asked.stderr.split())}. "
            "Start it, or use `make e2e`, which needs root and no Docker"
        )
    return docker


def _run(*command: str) -> None:
    if subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=False).returncode != 0:
        raise KindFailed(f"{' '.join(command)} failed; see above")


if __name__ == "__main__":
    sys.exit(main())
