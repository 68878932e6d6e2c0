"""A build into the cache survives being interrupted, doubled, and refused.

Go itself is a script here: what is tested is everything around it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead_devstack.gobuild import BuildFailed, build
from fairlead_devstack.programs import HELM_CLIENT, KUBE_APISERVER
from waiting import wait_for

UPSTREAM = """\
module k8s.io/kubernetes

go 1.26.0

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/apiserver => ./staging/src/k8s.io/apiserver
)
"""

# Writes what it is called with, waits while the file "hold" exists, and "builds" a file.
GO = """\
#!/bin/sh
echo "$*" >> "{root}/calls"
case "$1" in
mod) echo "go: downloading something"; printf '{{"GoMod": "%s"}}\\n' "{root}/upstream.mod" ;;
build)
    cp go.mod "{root}/wrapper.mod"
    echo $$ > "{root}/pid"
    while [ -e "{root}/hold" ]; do sleep 0.05; done
    while [ "$1" != -o ]; do shift; done
    echo built > "$2" ;;
install) echo built > "$GOBIN/helm" ;;
esac
"""

BUILDER = """
import sys
from pathlib import Path
from fairlead_devstack.gobuild import build
from fairlead_devstack.programs import KUBE_APISERVER
build(KUBE_APISERVER, Path(sys.argv[1]))
"""


class Machine:
    """A machine with a Go of the test's own."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache, self.hold = root, root / "cache", root / "hold"
        self.target = self.cache / str(KUBE_APISERVER.version) / "kube-apiserver"
        (root / "upstream.mod").write_text(UPSTREAM)
        self.install_go(GO.format(root=root))

    def install_go(self, script: str) -> None:
        go = self.root / "bin" / "go"
        go.parent.mkdir(exist_ok=True)
        go.write_text(script)
        go.chmod(0o755)

    def start_build(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", BUILDER, str(self.cache)], stderr=subprocess.PIPE, text=True, env=dict(os.environ)
        )

    def go_runs(self) -> bool:
        pid = self.root / "pid"
        return pid.exists() and pid.read_text().strip().isdigit() and self._alive(pid.read_text().strip())

    def _alive(self, pid: str) -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False

    def stages(self) -> list[Path]:
        return list(self.cache.glob(".build-*"))

    def builds(self) -> int:
        return sum(line.startswith("build ") for line in (self.root / "calls").read_text().splitlines())


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    return Machine(tmp_path)


def test_a_built_program_is_cached_by_version_and_not_built_again(machine: Machine) -> None:
    assert build(KUBE_APISERVER, machine.cache) == machine.target
    assert build(KUBE_APISERVER, machine.cache) == machine.target
    assert machine.target.read_text() == "built\n"
    assert machine.builds() == 1
    assert machine.stages() == []


def test_the_wrapper_module_replaces_each_staging_module_by_its_release(machine: Machine) -> None:
    build(KUBE_APISERVER, machine.cache)
    lines = (machine.root / "wrapper.mod").read_text().splitlines()
    assert "go 1.26.0" in lines
    assert "require k8s.io/kubernetes v1.36.3" in lines
    assert [line for line in lines if line.startswith("replace")] == [
        "replace k8s.io/api => k8s.io/api v0.36.3",
        "replace k8s.io/apiserver => k8s.io/apiserver v0.36.3",
    ]


def test_helm_is_installed_without_a_wrapper(machine: Machine) -> None:
    assert build(HELM_CLIENT, machine.cache).read_text() == "built\n"
    assert "helm.sh/helm/v3/cmd/helm@v3.22.0" in (machine.root / "calls").read_text()


def test_a_killed_build_leaves_no_program_and_the_next_one_removes_its_rest(machine: Machine) -> None:
    machine.hold.touch()
    killed = machine.start_build()
    with killed:
        wait_for(machine.go_runs, what="Go is building")
        killed.kill()
    wait_for(lambda: not machine.go_runs(), what="Go died with the build that started it")
    assert not machine.target.exists()
    assert len(machine.stages()) == 1
    machine.hold.unlink()
    build(KUBE_APISERVER, machine.cache)
    assert machine.target.read_text() == "built\n"
    assert machine.stages() == []


def test_an_interrupted_build_cleans_up_at_once(machine: Machine) -> None:
    machine.hold.touch()
    with machine.start_build() as interrupted:
        wait_for(machine.go_runs, what="Go is building")
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(timeout=30) != 0
    assert not machine.go_runs()
    assert machine.stages() == []
    assert not machine.target.exists()


def test_a_second_process_waits_for_the_first_ones_build_and_uses_it(machine: Machine) -> None:
    machine.hold.touch()
    with machine.start_build() as first:
        wait_for(machine.go_runs, what="the first process is building")
        with machine.start_build() as second:
            assert second.stderr is not None
            assert "another process is building" in second.stderr.readline()
            machine.hold.unlink()
            assert second.wait(timeout=30) == 0
        assert first.wait(timeout=30) == 0
    assert machine.builds() == 1


def test_a_missing_go_is_an_error_that_says_what_to_install(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine.root))
    with pytest.raises(BuildFailed, match=r"needs Go, which is not installed.*KUBEBUILDER_ASSETS"):
        build(KUBE_APISERVER, machine.cache)


def test_a_go_that_is_too_old_is_an_error_that_names_the_needed_one(machine: Machine) -> None:
    machine.install_go(
        "#!/bin/sh\necho 'go: go.mod requires go >= 1.26.0 (running go 1.24.4; GOTOOLCHAIN=local)'; exit 1\n"
    )
    with pytest.raises(BuildFailed, match=r"needs Go 1\.26\.0 or later"):
        build(KUBE_APISERVER, machine.cache)


def test_a_failing_build_shows_what_go_said_and_leaves_nothing(machine: Machine) -> None:
    machine.install_go("#!/bin/sh\necho 'no space left on device' >&2; exit 1\n")
    with pytest.raises(BuildFailed, match="no space left on device"):
        build(KUBE_APISERVER, machine.cache)
    assert machine.stages() == []
