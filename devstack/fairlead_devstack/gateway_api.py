"""The Gateway API's kinds, for tests of what the chart makes of them. They are in the Go module of that project."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from fairlead_devstack.gobuild import BuildFailed

MODULE = "sigs.k8s.io/gateway-api@v1.5.1"


def gateway_manifest(plural: str) -> Path:
    """Return the file with a kind's CustomResourceDefinition, of the standard channel.

    Args:
        plural: of the kind, such as `httproutes`.

    Raises:
        BuildFailed: Go is not there, or does not get the module.
    """
    go = shutil.which("go")
    if go is None:
        raise BuildFailed(f"the kinds of the Gateway API are in the Go module {MODULE}, and Go is not installed")
    done = subprocess.run(
        [go, "mod", "download", "-json", MODULE],
        env={**os.environ, "GOWORK": "off"},
        # Outside of any module of ours.
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildFailed(f"go mod download {MODULE} ended with {done.returncode}: {done.stdout}{done.stderr}")
    folder = Path(json.loads(done.stdout)["Dir"])
    return folder / "config" / "crd" / "standard" / f"gateway.networking.k8s.io_{plural}.yaml"
