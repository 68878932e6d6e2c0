"""The mutation list fits the sources. `make mutation` takes minutes and runs seldom, and code moves."""

from pathlib import Path

import pytest

from mutation.mutants import MUTANTS, Mutant

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name.replace(" ", "-"))
def test_each_text_that_a_mutant_replaces_stands_there_once(mutant: Mutant) -> None:
    found = [(CHECKOUT / edit.file).read_text().count(edit.old) for edit in mutant.edits]
    assert found == [1] * len(mutant.edits)
