"""When the operator has answered, and what: the facade waits for exactly this."""

from typing import Any

import pytest

from fairlead_api.attachments.state import Verdict, blocking_reason, detached, explanation, verdict
from fairlead_crds.kinds import Attachment
from rest_objects import attachment, condition

UID = "uid-08a7264e-f05a-4e5c-9627-b36a5f9d7c44"


def judged(item: Attachment | None, *, connect: bool, generation: int = 1) -> Verdict | None:
    return verdict(item, uid=UID, generation=generation, connect=connect)


def with_conditions(phase: str, *conditions: dict[str, Any]) -> Attachment:
    return attachment(status={"phase": phase, "conditions": list(conditions)})


def test_a_reservation_is_answered_by_its_admission() -> None:
    assert judged(attachment(state="reserved"), connect=False) is Verdict.DONE


def test_a_connection_is_answered_by_its_export() -> None:
    assert judged(attachment(state="reserved"), connect=True) is None
    assert judged(attachment(state="attaching"), connect=True) is Verdict.DONE


def test_taking_a_connector_away_is_answered_when_nothing_is_exported() -> None:
    assert judged(attachment(state="attaching"), connect=False) is None


def test_a_status_of_an_older_generation_is_no_answer() -> None:
    assert judged(attachment(state="attaching"), connect=True, generation=2) is None


def test_an_attachment_that_waits_is_no_answer() -> None:
    waiting = with_conditions("Pending", condition("Admitted", False, "VolumeNotReady"))
    assert judged(waiting, connect=False) is None


def test_a_refusal_is_an_answer_and_says_who_holds_the_volume() -> None:
    refused = with_conditions("Rejected", condition("Admitted", False, "VolumeInUse", "held by Attachment 'a'"))
    assert judged(refused, connect=False) is Verdict.REFUSED
    assert (blocking_reason(refused), explanation(refused)) == ("VolumeInUse", "held by Attachment 'a'")


@pytest.mark.parametrize("admitted", [True, None])
@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("IncompleteConnector", Verdict.INCOMPLETE),
        ("DriverError", Verdict.FAILED),
        ("DriverUnavailable", Verdict.FAILED),
        ("OutOfSpace", Verdict.FAILED),
        # The next operator may serve it.
        ("BackendNotReady", None),
        ("NodeConnectorNotFound", None),
    ],
)
def test_a_failed_export_is_an_answer_also_before_admission_is_written(
    admitted: bool | None, reason: str, expected: Verdict | None
) -> None:
    conditions = [condition("Exported", False, reason, "why")]
    if admitted:
        conditions.append(condition("Admitted", True, "Admitted"))
    failed = with_conditions("Exporting", *conditions)
    assert judged(failed, connect=True) is expected
    assert explanation(failed) == "why"


def test_an_attachment_that_is_gone_or_another_one_is_an_answer() -> None:
    assert judged(None, connect=True) is Verdict.GONE
    assert verdict(attachment(state="attaching"), uid="other", generation=1, connect=True) is Verdict.GONE


def test_a_detach_ends_with_the_object() -> None:
    assert detached(None, uid=UID) is Verdict.DONE
    assert detached(attachment(), uid="other") is Verdict.DONE
    assert detached(attachment(state="attached"), uid=UID) is None


def test_a_detach_fails_when_the_driver_does_and_not_for_an_older_failure() -> None:
    failing = condition("Exported", False, "DriverError", "the daemon is gone")
    assert detached(with_conditions("Detaching", failing), uid=UID) is Verdict.FAILED
    assert detached(with_conditions("Exporting", failing), uid=UID) is None
