"""The checked-in manifests say what the models say."""

from pathlib import Path

import pytest
import yaml

from fairlead_crds.render import generated, main

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", generated(), ids=str)
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert (CHECKOUT / path).read_bytes() == generated()[path].encode(), "run `make manifests`"


def test_no_manifest_is_left_over() -> None:
    folders = ("crds/manifests", "charts/fairlead/templates/crds", "charts/fairlead/templates/admission")
    found = {
        path.relative_to(CHECKOUT) for folder in folders for path in (CHECKOUT / folder).rglob("*") if path.is_file()
    }
    assert found == {path for path in generated() if path.suffix == ".yaml"}


@pytest.mark.parametrize(("path", "text"), generated().items(), ids=map(str, generated()))
def test_the_first_line_says_how_it_was_made(path: Path, text: str) -> None:
    assert "make manifests" in text.splitlines()[0]


def test_rendering_twice_gives_the_same() -> None:
    assert generated() == generated()


def test_the_command_writes_what_is_missing_and_check_says_what_is_stale(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--output", str(tmp_path)]) == 0
    assert main(["--output", str(tmp_path), "--check"]) == 0
    (tmp_path / "crds" / "manifests" / "volumes.yaml").write_text("")
    capsys.readouterr()
    assert main(["--output", str(tmp_path), "--check"]) == 1
    assert "volumes.yaml is stale: run `make manifests`" in capsys.readouterr().err
    assert main(["--output", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "wrote crds/manifests/volumes.yaml\n"


def test_a_folder_of_definitions_holds_nothing_else() -> None:
    # Helm and the tests install every file directly in it as a CustomResourceDefinition.
    for path in (CHECKOUT / "crds" / "manifests").glob("*.yaml"):
        assert {document["kind"] for document in yaml.safe_load_all(path.read_text())} == {"CustomResourceDefinition"}
