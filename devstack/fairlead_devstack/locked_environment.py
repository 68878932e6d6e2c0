"""Virtual environments of their own for real services that tests and benchmarks run, installed once, by hash."""

import fcntl
import hashlib
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead_devstack.lookup import cache_folder
from fairlead_devstack.progress import say


class LockedEnvironment:
    """What one requirements file says, below the user's cache folder; another file or another Python makes another.

    Attributes:
        home: a folder for the environment and for what else belongs to it.
        python: the environment's Python; there after `install`.
    """

    def __init__(self, name: str, requirements: Path) -> None:
        version = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
        self.home = cache_folder().parent / f"{name.lower()}-{version}"
        self.python = self.home / "venv" / "bin" / "python"
        self._name, self._requirements = name, requirements

    def install(self) -> Path:
        """Return the Python, installing everything when need be."""
        with self.alone():
            if not (self.home / "installed").exists():
                say(f"installing {self._name} into a virtual environment of its own (half a minute)")
                began = time.monotonic()
                venv.create(self.home / "venv", clear=True, with_pip=True)
                command = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                uv = Path(sys.executable).with_name("uv")
                if uv.exists():
                    command = [str(uv), "pip", "install", "--quiet", "--python", str(self.python)]
                subprocess.run([*command, "--require-hashes", "-r", str(self._requirements)], check=True)
                (self.home / "installed").touch()
                say(f"{self._name} installed in {time.monotonic() - began:.0f} s")
        return self.python

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from changing the folder meanwhile."""
        self.home.mkdir(parents=True, exist_ok=True)
        with (self.home / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
