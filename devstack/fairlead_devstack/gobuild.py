"""Build a control plane program from Go modules into the cache.

Kubernetes pins its staging modules with ``replace`` lines, which ``go install PACKAGE@VERSION`` refuses. So the build
runs in a small wrapper module of our own that repeats those lines for the released staging modules.

A build survives being interrupted and being started twice: it happens in a folder of its own under a lock, and the
result gets its final name by a rename.
"""

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from fairlead_devstack.programs import ETCD, Program, Version
from fairlead_devstack.progress import say
from fairlead_devstack.spawn import spawn

_STAGE = ".build-"
_REPORT_EVERY = 10.0
_STAGING = re.compile(r"^\s*(?:replace\s+)?(k8s\.io/\S+)\s*=>\s*\./staging/", re.MULTILINE)
_GO_DIRECTIVE = re.compile(r"^go (\S+)$", re.MULTILINE)


class BuildFailed(Exception):
    """A program could not be built; the message says what to do."""


def build(program: Program, cache: Path) -> Path:
    """Build a program unless the cache has it, saying on stderr what goes on.

    Args:
        program: What to build, in which version.
        cache: The cache folder; the result is ``<cache>/<version>/<name>``.

    Returns:
        The built program.

    Raises:
        BuildFailed: Go is missing or too old, or the build failed.
    """
    target = cache / str(program.version) / program.name
    with _build_lock(cache, program.name):
        if target.exists():
            # Whoever held the lock before us built it.
            return target
        _sweep(cache)
        go = shutil.which("go")
        if go is None:
            raise BuildFailed(
                f"{program.name} was found nowhere, and building it needs Go, which is not installed. "
                "Install a current Go (go.dev/dl, or Debian's golang-go if it is recent enough), or point "
                "KUBEBUILDER_ASSETS at a folder that has the programs of a control plane."
            )
        say(f"building {program.name} {program.version} from Go modules; takes about {program.minutes}, only once")
        stage = Path(tempfile.mkdtemp(prefix=_STAGE, dir=cache))
        try:
            started = time.monotonic()
            built = _GoBuild(go, program, stage).run()
            target.parent.mkdir(parents=True, exist_ok=True)
            built.replace(target)
            say(f"built {program.name} in {time.monotonic() - started:.0f} s: {target}")
        finally:
            shutil.rmtree(stage, ignore_errors=True)
    return target


@contextmanager
def _build_lock(cache: Path, name: str) -> Iterator[None]:
    """Let one build run at a time: two at once share most of their work and would do it twice."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"another process is building; waiting for it before {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sweep(cache: Path) -> None:
    """Remove what killed builds left; nobody else is building, because we hold the lock."""
    for stage in cache.glob(f"{_STAGE}*"):
        shutil.rmtree(stage, ignore_errors=True)


class _GoBuild:
    """One build in a stage folder: the wrapper module, Go's temporary files, its log."""

    def __init__(self, go: str, program: Program, stage: Path) -> None:
        self._go = go
        self._program = program
        self._stage = stage
        self._log = stage / "go.log"
        self._output = stage / "bin" / program.name
        (stage / "bin").mkdir()
        (stage / "tmp").mkdir()
        self._env: Mapping[str, str] = {
            **os.environ,
            "GO111MODULE": "on",
            "GOWORK": "off",
            "GOBIN": str(stage / "bin"),
            # Go's work folder goes with the stage folder, however the build ends.
            "GOTMPDIR": str(stage / "tmp"),
        }

    def run(self) -> Path:
        flags = ["-buildvcs=false", "-ldflags", self._linker_flags()]
        if self._program.package.startswith("helm.sh/"):
            self._run(["install", *flags, f"{self._program.package}@{self._program.version}"])
        else:
            self._write_wrapper()
            self._run(["build", "-mod=mod", *flags, "-o", str(self._output), self._program.package])
        return self._output

    def _linker_flags(self) -> str:
        version = self._program.version
        flags = "-s -w"
        if self._program.package.startswith("k8s.io/"):
            prefix = "-X k8s.io/component-base/version."
            flags += f" {prefix}gitVersion={version} {prefix}gitMajor={version.major} {prefix}gitMinor={version.minor}"
        elif self._program.package.startswith("helm.sh/"):
            flags += f" -X helm.sh/helm/v3/internal/version.version={version}"
        return flags

    def _write_wrapper(self) -> None:
        kubernetes = self._program.version if self._program.package.startswith("k8s.io/") else None
        lines = ["module controlplane", ""]
        if kubernetes is None:
            lines += [f"require {self._program.package} {ETCD}"]
        else:
            upstream = self._kubernetes_go_mod(kubernetes)
            released = Version(0, kubernetes.minor, kubernetes.patch)
            lines += [
                *(f"go {needed}" for needed in _GO_DIRECTIVE.findall(upstream)),
                f"require k8s.io/kubernetes {kubernetes}",
                *(f"replace {module} => {module} {released}" for module in sorted(set(_STAGING.findall(upstream)))),
            ]
        (self._stage / "go.mod").write_text("\n".join(lines) + "\n")

    def _kubernetes_go_mod(self, version: Version) -> str:
        listing = self._run(["mod", "download", "-json", f"k8s.io/kubernetes@{version}"])
        # Go's remarks about downloads share the log with its answer.
        answer, _ = json.JSONDecoder().raw_decode(listing, listing.index("{"))
        return Path(answer["GoMod"]).read_text()

    def _run(self, arguments: Sequence[str]) -> str:
        """Run Go with a low priority, reporting the time; its output goes to the log."""
        started = time.monotonic()
        offset = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            process = spawn(
                ["nice", "-n", "10", self._go, *arguments], output=log, tethered=True, env=self._env, cwd=self._stage
            )
        try:
            while True:
                try:
                    code = process.wait(timeout=_REPORT_EVERY)
                    break
                except subprocess.TimeoutExpired:
                    say(f"  {self._program.name}: go {arguments[0]}, {time.monotonic() - started:.0f} s")
        except BaseException:
            _stop(process)
            raise
        text = self._log.read_bytes()[offset:].decode(errors="replace")
        if code != 0:
            raise BuildFailed(self._explain(arguments, text))
        return text

    def _explain(self, arguments: Sequence[str], text: str) -> str:
        wanted = re.search(r"requires go >= (\S+)", text)
        if wanted:
            return (
                f"{self._program.name} {self._program.version} needs Go {wanted[1].rstrip(';')} or later to build, and "
                f"the installed Go ({self._go}) is older. Install a current Go (go.dev/dl), or point "
                "KUBEBUILDER_ASSETS at a folder that has the programs of a control plane."
            )
        tail = "\n".join(text.splitlines()[-20:])
        return f"building {self._program.name} failed: go {arguments[0]} said:\n{tail}"


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End Go and its compilers: they have a process group of their own, so Ctrl-C did not reach them."""
    for number in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=5)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue
