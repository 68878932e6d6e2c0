"""The layer of the images that has the application."""

import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

from fairlead_devstack.image_archive import pack
from fairlead_devstack.images import CHECKOUT
from fairlead_devstack.uv import build_wheel, install_wheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PROGRAMS = "import fairlead_api.main, fairlead_operator.main"


def test_a_pod_compiles_nothing_when_it_starts(tmp_path: Path) -> None:
    folder, layer, root = (tmp_path / name for name in ("folder", "layer.tar", "root"))
    install_wheel(
        build_wheel(CHECKOUT, tmp_path / "wheel"), folder, python=PYTHON, constraints=CHECKOUT / "requirements.txt"
    )
    pack(folder, layer)
    # Unpacked, because a layer has none of the times by which Python otherwise knows that what is compiled is current.
    with tarfile.open(layer) as archive:
        archive.extractall(root, filter="tar")
    # Without this environment's own packages, and keeping nothing, as in a pod.
    command = [sys.executable, "-S", "-v", "-c", PROGRAMS]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    said = subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=True).stderr
    loaded = [name for name in re.findall(r"code object from '?([^'\n]+)", said) if name.startswith(str(root))]
    assert any("fairlead_operator" in name for name in loaded)
    assert [name for name in loaded if not name.endswith(".pyc")] == []
