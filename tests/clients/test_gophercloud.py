"""gophercloud v2, unmodified: a Go test module of its own, run against the facade."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rest import Rest

HERE = Path(__file__).parent


@pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")
def test_gophercloud_drives_the_facade(rest: Rest) -> None:
    environment = {
        **os.environ,
        "FAIRLEAD_URL": rest.url,
        "FAIRLEAD_PROJECT": str(rest.project),
        "FAIRLEAD_PYTHON": sys.executable,
        "FAIRLEAD_NODE": str(HERE / "node_io.py"),
    }
    done = subprocess.run(
        ["go", "test", "-count=1", "-timeout=200s", "-v", "./..."],
        cwd=HERE / "gophercloud",
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert done.stdout.count("--- PASS") == 6, done.stdout
