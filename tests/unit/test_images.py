"""Images: the archive that is written by hand, and the Dockerfiles beside it."""

import hashlib
import json
import re
import tarfile
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead_devstack.image_archive import Image, pack, write_archive
from fairlead_devstack.images import CHART, CHECKOUT, PROCESSES, default_tag, image_names


@pytest.fixture
def layers(tmp_path: Path) -> list[Path]:
    made = []
    for name in ("base", "more"):
        root = tmp_path / name
        (root / "bin").mkdir(parents=True)
        (root / "bin" / name).write_text(name)
        made.append(tmp_path / f"{name}.tar")
        pack(root, made[-1])
    return made


def read(archive: Path, name: str) -> bytes:
    with tarfile.open(archive) as opened:
        member = opened.extractfile(name)
        assert member is not None
        return member.read()


def test_an_archive_names_everything_by_its_content(tmp_path: Path, layers: list[Path]) -> None:
    archive = tmp_path / "images.tar"
    one = Image(name="example/one:1", layers=layers, entrypoint=("/bin/more",), environment={"A": "b"})
    two = Image(name="example/two:1", layers=layers[:1], entrypoint=("/bin/base",), user="0:0")
    write_archive(archive, [one, two], architecture="amd64")
    manifest: list[dict[str, Any]] = json.loads(read(archive, "manifest.json"))
    assert [entry["RepoTags"] for entry in manifest] == [["example/one:1"], ["example/two:1"]]
    # The layer that both have is there once.
    with tarfile.open(archive) as opened:
        assert len([name for name in opened.getnames() if name.endswith("layer.tar")]) == 2
    for entry, image in zip(manifest, (one, two), strict=True):
        content = read(archive, entry["Config"])
        assert entry["Config"] == f"{hashlib.sha256(content).hexdigest()}.json"
        config = json.loads(content)
        assert config["config"]["User"] == image.user
        assert config["config"]["Entrypoint"] == list(image.entrypoint)
        digests = [hashlib.sha256(read(archive, layer)).hexdigest() for layer in entry["Layers"]]
        assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in digests]


def test_equal_folders_make_equal_layers(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name / "bin").mkdir(parents=True)
        (tmp_path / name / "bin" / "x").write_text("x")
        pack(tmp_path / name, tmp_path / f"{name}.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_the_images_are_those_that_the_chart_asks_for() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert values["image"] == {"registry": "", "tag": "", "pullPolicy": "IfNotPresent", "pullSecrets": []}
    assert image_names("", default_tag())["api"] == f"fairlead/api:{default_tag()}"
    assert image_names("registry.example/x/", "7")["tgtd"] == "registry.example/x/fairlead/tgtd:7"


def target(name: str) -> list[str]:
    """The instructions that make a target of the Dockerfile, those of the stages that it begins with included."""
    text = (CHECKOUT / "images" / "Dockerfile").read_text().replace("\\\n", "")
    stages = {}
    for stage in re.split(r"^(?=FROM )", text, flags=re.MULTILINE)[1:]:
        first, *rest = [line for line in stage.splitlines() if line and not line.startswith("#")]
        _, base, _, made = first.split()
        stages[made] = [*stages.get(base, []), *rest]
    return stages[name]


@pytest.mark.parametrize("process", PROCESSES)
def test_an_image_runs_as_the_user_that_the_chart_sets(process: str) -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())["podSecurity"]
    users = [line for line in target(process) if line.startswith("USER")]
    assert users == [f"USER {values['runAsUser']}:{values['runAsGroup']}"]


@pytest.mark.parametrize("process", PROCESSES)
def test_an_image_starts_its_own_process(process: str) -> None:
    scripts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["scripts"]
    (entry,) = [json.loads(line.removeprefix("ENTRYPOINT ")) for line in target(process) if "ENTRYPOINT" in line]
    if process == "tgtd":
        assert any(line.startswith("COPY") and line.endswith(entry[0]) for line in target(process))
    else:
        assert Path(entry[0]).name in scripts
        assert Path(entry[0]).name == f"fairlead-{process}"


def test_the_build_sees_every_package_of_the_wheel() -> None:
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    shown = {line[1:] for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {package.split("/")[0] for package in packages} <= shown
    assert {"requirements.txt", "requirements-bootstrap.txt", "pyproject.toml", "README.md", "LICENSE"} <= shown
