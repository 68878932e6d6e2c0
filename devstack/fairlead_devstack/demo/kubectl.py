"""The real kubectl, each command shown as it is run."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from fairlead_devstack.demo.narration import CheckFailed, show, show_command

_LIMIT = 60.0


class Kubectl:
    """Runs kubectl as the administrator of one control plane, in one namespace."""

    def __init__(self, program: Path, kubeconfig: Path) -> None:
        self._program = program
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig)}

    def apply(self, manifest: str) -> None:
        """Apply objects."""
        self("apply", "-f", "-", stdin=manifest)

    def get(self, kind: str, name: str) -> Any:
        """Read an object. Shown is the command, not its long answer."""
        arguments = ["get", kind, name, "-o", "json"]
        show_command(["kubectl", *arguments])
        return json.loads(self._run(arguments, ""))

    def __call__(self, *arguments: str, stdin: str = "") -> None:
        """Run any command and show what it says."""
        show_command(["kubectl", *arguments], stdin)
        show(self._run(list(arguments), stdin))

    def _run(self, arguments: list[str], stdin: str) -> str:
        try:
            done = subprocess.run(
                [self._program, *arguments],
                input=stdin,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_LIMIT,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CheckFailed(f"kubectl {arguments[0]} did not end within {_LIMIT:.0f} s") from error
        if done.returncode != 0:
            raise CheckFailed(f"kubectl {' '.join(arguments)} ended with {done.returncode}: {done.stderr.strip()}")
        return done.stdout
