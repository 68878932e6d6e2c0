"""What Fairlead is made of: licences, and the bill of materials."""

import re

import pytest

from fairlead_devstack.distributions import installed, runtime
from fairlead_devstack.licences import allowed
from fairlead_devstack.sbom import LOCK, document, locked_hashes


@pytest.mark.parametrize(
    ("licence", "may"),
    [
        ("MIT", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("GPL-3.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("", False),
    ],
)
def test_a_licence_is_judged_by_its_alternatives(licence: str, may: bool) -> None:
    assert allowed(licence) is may


def test_everything_installed_may_be_used() -> None:
    assert [item for item in installed().values() if not allowed(item.licence)] == []


def test_every_locked_distribution_has_hashes() -> None:
    pins = re.findall(r"^([A-Za-z0-9._-]+)==", LOCK.read_text(), re.MULTILINE)
    assert len(pins) == len(locked_hashes(LOCK.read_text())) > 20


def test_the_bill_of_materials_has_all_that_is_needed_to_run_and_no_tools() -> None:
    names = {component["name"] for component in document()["components"]}
    assert {"kopf", "fastapi", "uvicorn", "aiohttp", "pydantic-core", "httptools"} <= names
    assert not {"pytest", "ruff", "mypy"} & names
    assert names == runtime(installed())
    for component in document()["components"]:
        assert component["externalReferences"], component["name"]


def test_the_bill_of_materials_is_the_same_each_time() -> None:
    assert document() == document()
