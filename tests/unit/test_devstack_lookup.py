"""Programs are taken from the first place that has a fitting one."""

from pathlib import Path

import pytest

from fairlead_devstack.lookup import Found, cache_folder, envtest_folder, locate
from fairlead_devstack.programs import KUBE_APISERVER, Program, Version, controller_manager_for

OURS = KUBE_APISERVER.version


class Places:
    """Every place of the lookup, in folders of the test's own."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.assets, self.path, self.envtest = root / "assets", root / "path", root / "envtest"
        self.cache = root / "cache" / "fairlead" / "bin"
        for folder in (self.assets, self.path, self.envtest):
            folder.mkdir()
        monkeypatch.setenv("KUBEBUILDER_ASSETS", str(self.assets))
        monkeypatch.setenv("PATH", str(self.path))
        monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
        self.built: list[str] = []

    def script(self, path: Path, body: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def put(self, folder: Path, version: str = str(OURS), name: str = "kube-apiserver") -> Path:
        return self.script(folder / name, f"echo Kubernetes {version}")

    def put_setup_envtest(self) -> None:
        self.script(self.path / "setup-envtest", f'[ "$*" = "use -p path" ] || exit 1; printf %s "{self.envtest}"')

    def locate(self, program: Program = KUBE_APISERVER) -> Found:
        return locate(program, builder=self._build)

    def _build(self, program: Program, cache: Path) -> Path:
        self.built.append(program.name)
        return cache / "built" / program.name


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    envtest_folder.cache_clear()
    return Places(tmp_path, monkeypatch)


def test_places_are_searched_in_the_documented_order(places: Places) -> None:
    places.put_setup_envtest()
    in_order = [
        ("$KUBEBUILDER_ASSETS", places.put(places.assets)),
        ("PATH", places.put(places.path)),
        ("the cache", places.put(places.cache / str(OURS))),
        ("setup-envtest", places.put(places.envtest)),
    ]
    for source, path in in_order:
        assert places.locate() == Found(path, OURS, source)
        path.unlink()
    assert places.locate().source == "build from Go modules"
    assert places.built == ["kube-apiserver"]


def test_each_program_is_looked_up_by_itself(places: Places) -> None:
    places.put(places.assets)
    manager = places.put(places.path, name="kube-controller-manager")
    assert places.locate().source == "$KUBEBUILDER_ASSETS"
    assert places.locate(controller_manager_for(OURS)).path == manager


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("echo no binary for this architecture >&2; exit 1", "ended with 1"),
        ("echo hello", "printed no version"),
        ("echo Kubernetes v1.27.4", "v1.27.4 is older than v1.32.0"),
    ],
    ids=["fails", "tells no version", "too old"],
)
def test_an_unfit_program_is_passed_over_and_the_reason_told(
    places: Places, capsys: pytest.CaptureFixture[str], body: str, reason: str
) -> None:
    places.script(places.assets / "kube-apiserver", body)
    fit = places.put(places.path)
    assert places.locate().path == fit
    assert reason in capsys.readouterr().err


@pytest.mark.parametrize(
    ("manager", "fits"),
    [("v1.33.9", True), ("v1.34.0", True), ("v1.35.0", False), ("v1.32.1", False)],
    ids=["one minor older", "the same minor", "newer than the API server", "two minors older"],
)
def test_the_controller_manager_obeys_the_version_skew_policy(places: Places, manager: str, fits: bool) -> None:
    places.put(places.path, version=manager, name="kube-controller-manager")
    places.locate(controller_manager_for(Version(1, 34, 2)))
    assert places.built == ([] if fits else ["kube-controller-manager"])


def test_a_missing_controller_manager_is_built_in_the_api_servers_version() -> None:
    assert controller_manager_for(Version(1, 34, 2)).version == Version(1, 34, 2)


def test_a_failing_setup_envtest_is_told_in_one_line_and_passed_over(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    places.script(places.path / "setup-envtest", "echo could not reach the index >&2; exit 2")
    assert places.locate().source == "build from Go modules"
    lines = [line for line in capsys.readouterr().err.splitlines() if "passed over" in line]
    assert lines == ["[devstack] setup-envtest is passed over: it ended with 2: could not reach the index"]


def test_setup_envtest_is_not_asked_for_what_it_does_not_have(places: Places) -> None:
    places.put_setup_envtest()
    places.put(places.envtest, name="kube-controller-manager")
    assert places.locate(controller_manager_for(OURS)).source == "build from Go modules"


@pytest.mark.parametrize("setting", ["", "relative/path"])
def test_the_cache_is_in_the_home_folder_unless_xdg_says_an_absolute_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, setting: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", setting)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "fairlead" / "bin"
