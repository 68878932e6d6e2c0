"""The judgement on rights finds what is refused, what is idle, and what is no longer; and judges whole runs only."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from asked_rights import UNSEEN, Asked
from fairlead_crds import names
from fairlead_devstack.audit import AuditLog

OPERATOR = names.OPERATOR_ACCOUNT
USER = f"system:serviceaccount:{names.SYSTEM_NAMESPACE}:{OPERATOR}"
TESTS = Path(__file__).parents[1]

CONFTEST = """
from pathlib import Path
from whole_runs import is_whole, leave_out

def pytest_deselected(items):
    leave_out(items)

def pytest_sessionfinish(session):
    print("WHOLE", is_whole(session, Path(__file__).parent))
"""


def request(verb: str, resource: str, *, user: str = USER, decision: str = "allow") -> str:
    return json.dumps(
        {
            "verb": verb,
            "user": {"username": user},
            "objectRef": {"resource": resource},
            "responseStatus": {"code": 200 if decision == "allow" else 403},
            "annotations": {"authorization.k8s.io/decision": decision},
        }
    )


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    """Somebody lists nodes, the operator lists volumes and is refused pods."""
    log = tmp_path / "audit.log"
    lines = (
        request("list", "nodes", user="system:serviceaccount:default:somebody"),
        request("list", "volumes"),
        request("list", "pods", decision="forbid"),
    )
    log.write_text("\n".join(lines) + "\n")
    found = Asked()
    found.add(AuditLog(log))
    return found


def test_what_was_refused_is_said_of_any_run(asked: Asked) -> None:
    assert asked.judge(whole=False) == [f"{OPERATOR} was refused: list pods"]


def test_what_nobody_asked_for_is_said_of_whole_runs(asked: Asked) -> None:
    asked.held = {OPERATOR: {("list", "volumes"), ("list", "nodes"), *UNSEEN[OPERATOR]}}
    assert f"{OPERATOR} never used: list nodes" in asked.judge(whole=True)
    assert len(asked.judge(whole=True)) == 2
    assert len(asked.judge(whole=False)) == 1


def test_a_reason_that_is_none_any_more_is_said(asked: Asked) -> None:
    verb, resource = next(iter(UNSEEN[OPERATOR]))
    asked.held = {OPERATOR: {("list", "volumes"), *UNSEEN[OPERATOR]}}
    asked.used[OPERATOR].add((verb, resource))
    assert f"{OPERATOR} needs no reason any more: {verb} {resource}" in asked.judge(whole=True)


@pytest.mark.parametrize(
    ("arguments", "whole"),
    [((), True), (("-k", "one"), False), (("test_a.py",), False), (("test_a.py::test_one", "test_b.py"), False)],
    ids=["everything", "some names", "some files", "some tests"],
)
def test_a_part_is_not_taken_for_the_whole(arguments: tuple[str, ...], whole: bool, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"WHOLE {whole}" in done.stdout, done.stdout + done.stderr
