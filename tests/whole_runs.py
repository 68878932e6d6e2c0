"""Whether a run has every test of a folder: what is said of a whole suite must not be said of a part."""

from collections.abc import Iterable
from pathlib import Path

import pytest

_LEFT_OUT = pytest.StashKey[set[Path]]()


def leave_out(items: Iterable[pytest.Item]) -> None:
    """Note tests that were collected and will not run."""
    for item in items:
        item.config.stash.setdefault(_LEFT_OUT, set()).add(item.path)


def is_whole(session: pytest.Session, folder: Path) -> bool:
    """Whether every test of the folder and those below it is among the session's."""
    have = {item.path for item in session.items}
    partly = session.config.stash.get(_LEFT_OUT, set()) | {
        Path(a.partition("::")[0]).resolve() for a in session.config.args if "::" in a
    }
    return all(path in have and path not in partly for path in folder.rglob("test_*.py"))
