"""Commands of the environment that the tests run in, such as `openstack`, unmodified."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Shell:
    """Runs a command.

    Args:
        program: its name.
        environment: all that it sees of ours.
        always: arguments before all others.
    """

    def __init__(self, program: str, environment: Mapping[str, str], *always: str) -> None:
        self._command = (Path(sys.executable).parent / program, *always)
        self._environment = environment

    def __call__(self, *arguments: str, fails: bool = False, **environment: str) -> str:
        """Return what it says: to standard error, if it is to fail."""
        done = subprocess.run(
            [*self._command, *arguments],
            env={**self._environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode != 0) is fails, (arguments, done.stdout, done.stderr)
        return done.stderr if fails else done.stdout

    def json(self, *arguments: str) -> Any:
        """Return its answer to a query."""
        return json.loads(self(*arguments, "-f", "json"))
