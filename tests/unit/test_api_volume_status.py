"""The volume's status, derived from the Volume and its Attachments; and the gate that it opens and shuts."""

import pytest

from fairlead_api.protocol.faults import BadRequest, Conflict
from fairlead_api.volumes import gate
from fairlead_api.volumes.status import derive, override, recompute
from fairlead_crds import names
from fairlead_crds.kinds import Attachment
from rest_objects import attachment, volume

A, B, C = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2, 3))
SERVER = "80e92232-ff23-4b7c-b398-ef3fbcbd7abb"


@pytest.mark.parametrize(
    ("phase", "reason", "capacity", "status"),
    [
        ("Pending", "Provisioning", None, "creating"),
        ("Available", "Provisioned", 2**30, "available"),
        ("Held", "Provisioned", 2**30, "available"),
        ("Failed", "OutOfSpace", None, "error"),
        ("Failed", "ResizeFailed", 2**29, "error_extending"),
        ("Available", "Provisioned", 2**29, "extending"),
    ],
)
def test_without_attachments_the_volume_itself_tells(
    phase: str, reason: str, capacity: int | None, status: str
) -> None:
    assert derive(volume(phase=phase, reason=reason, capacity=capacity), []).status == status


def test_a_volume_that_is_being_deleted_shows_nothing_else() -> None:
    assert derive(volume(deleting=True, phase="Failed"), [attachment(state="attached")]).status == "deleting"


@pytest.mark.parametrize(
    ("state", "status", "attach_status"),
    [
        ("reserved", "reserved", "detached"),
        ("attaching", "attaching", "attaching"),
        ("attached", "in-use", "attached"),
    ],
)
def test_one_attachment_tells(state: str, status: str, attach_status: str) -> None:
    derived = derive(volume(), [attachment(state=state)])
    assert (derived.status, derived.attach_status) == (status, attach_status)


def test_attachments_that_are_not_admitted_are_not_there() -> None:
    derived = derive(volume(), [attachment(admitted=False)])
    assert (derived.status, derived.attachments) == ("available", ())


def test_completing_a_reservation_without_a_connector_makes_the_volume_in_use() -> None:
    assert derive(volume(), [attachment(state="attached", connector=None)]).status == "in-use"


@pytest.mark.parametrize(
    ("second", "status"),
    [("reserved", "reserved"), ("attaching", "attaching"), ("attached", "in-use")],
)
def test_the_last_event_counts_on_a_multiattach_volume(second: str, status: str) -> None:
    first = attachment(A, state="attached", created=0, since=1)
    later = attachment(B, state=second, created=2, since=3)
    assert derive(volume(multiAttach=True), [later, first]).status == status


def test_a_second_reservation_of_the_instance_leaves_the_status_as_it_is() -> None:
    first = attachment(A, state="attached", created=0, since=1, instanceID=SERVER)
    second = attachment(B, state="reserved", created=2, instanceID=SERVER)
    assert derive(volume(), [first, second]).status == "in-use"


def test_connecting_the_second_makes_the_volume_attaching_again() -> None:
    first = attachment(A, state="attached", created=0, since=1, instanceID=SERVER)
    second = attachment(B, state="attaching", created=2, since=3, instanceID=SERVER)
    assert derive(volume(), [first, second]).status == "attaching"


@pytest.mark.parametrize(
    ("left", "status"),
    [
        ([], "available"),
        (["reserved"], "reserved"),
        (["reserved", "attaching"], "attaching"),
        (["reserved", "attaching", "attached"], "in-use"),
    ],
)
def test_a_deletion_recomputes_from_what_is_left(left: list[str], status: str) -> None:
    assert recompute([attachment(state=state) for state in left]) == status


def test_a_status_set_by_hand_holds_until_the_next_event() -> None:
    reserved = [attachment(A, state="reserved")]
    marked = volume(annotations={names.ANNOTATION_STATUS: override("maintenance", reserved)})
    assert derive(marked, reserved).status == "maintenance"
    assert derive(marked, [attachment(A, state="attaching")]).status == "attaching"
    assert derive(marked, []).status == "available"
    assert derive(marked, [*reserved, attachment(B, state="reserved", created=1)]).status == "reserved"


def test_detaching_ends_with_the_attachment() -> None:
    attached = [attachment(A, state="attached")]
    marked = volume(annotations={names.ANNOTATION_STATUS: override("detaching", attached)})
    assert derive(marked, attached).status == "detaching"
    assert derive(marked, attached).attach_status == "attached"
    assert derive(marked, []).status == "available"


def test_a_status_without_a_fingerprint_holds_for_good() -> None:
    marked = volume(annotations={names.ANNOTATION_STATUS: "maintenance"})
    assert derive(marked, [attachment()]).status == "maintenance"


# --- the gate --------------------------------------------------------------------------------------------------------


def status_is(status: str) -> dict[str, str]:
    return {names.ANNOTATION_STATUS: status}


@pytest.mark.parametrize("status", ["available", "downloading"])
def test_these_statuses_let_a_reservation_in(status: str) -> None:
    gate.check_reserve(volume(annotations=status_is(status)), [], None)


@pytest.mark.parametrize("status", ["reserved", "attaching", "in-use", "detaching", "maintenance", "creating"])
def test_others_do_not_and_the_refusal_says_which(status: str) -> None:
    with pytest.raises(BadRequest) as refused:
        gate.check_reserve(volume(annotations=status_is(status)), [], None)
    assert refused.value.message == (
        "Invalid volume: Volume d1ac6200-31b8-4a8c-bb1c-97c6e8bfb0aa status must be available or downloading to "
        f"reserve, but the current status is {status}."
    )


@pytest.mark.parametrize("status", ["error", "error_deleting", "error_extending"])
def test_a_volume_in_error_is_refused_in_other_words(status: str) -> None:
    with pytest.raises(BadRequest, match=f"in an error state.*currently has a status of: {status}"):
        gate.check_reserve(volume(annotations=status_is(status)), [], None)


def test_a_multiattach_volume_in_use_may_be_reserved_again() -> None:
    gate.check_reserve(volume(multiAttach=True), [attachment(state="attached")], None)


@pytest.mark.parametrize("state", ["reserved", "attached"])
def test_the_same_instance_may_reserve_again(state: str) -> None:
    mine = attachment(state=state, instanceID=SERVER)
    gate.check_reserve(volume(), [mine], SERVER)
    for other in ("99999999-ff23-4b7c-b398-ef3fbcbd7abb", None):
        with pytest.raises(BadRequest, match="to reserve"):
            gate.check_reserve(volume(), [mine], other)


def test_the_same_instance_may_not_while_the_volume_is_attaching() -> None:
    with pytest.raises(BadRequest, match="current status is attaching"):
        gate.check_reserve(volume(), [attachment(state="attaching", instanceID=SERVER)], SERVER)


@pytest.mark.parametrize(
    ("multi_attach", "states", "refused"),
    [
        (False, ["reserved"], False),
        (False, ["attaching"], False),
        (False, ["reserved", "reserved"], False),
        (False, ["reserved", "attaching"], True),
        (True, ["reserved", "attached"], False),
    ],
)
def test_a_second_connector_on_a_volume_for_one_is_refused(
    multi_attach: bool, states: list[str], refused: bool
) -> None:
    attachments: list[Attachment] = [
        attachment(id_, state=state) for id_, state in zip((A, B, C), states, strict=False)
    ]
    item = volume(multiAttach=multi_attach)
    if refused:
        with pytest.raises(Conflict, match="duplicate connectors detected"):
            gate.check_connect(item, attachments)
    else:
        gate.check_connect(item, attachments)


def test_a_volume_in_error_cannot_be_connected() -> None:
    with pytest.raises(Conflict, match="error state"):
        gate.check_connect(volume(annotations=status_is("error")), [attachment()])


@pytest.mark.parametrize("status", ["available", "error", "error_extending", "error_restoring", "error_managing"])
def test_these_statuses_let_a_volume_be_deleted(status: str) -> None:
    item = volume(annotations=status_is(status))
    gate.check_delete(item, derive(item, []))


@pytest.mark.parametrize(
    "status", ["reserved", "attaching", "in-use", "detaching", "deleting", "creating", "extending"]
)
def test_others_keep_it_unless_forced(status: str) -> None:
    item = volume(annotations=status_is(status))
    with pytest.raises(BadRequest, match="Volume status must be available or error"):
        gate.check_delete(item, derive(item, []))
    gate.check_delete(item, derive(item, []), force=True)


def test_nothing_deletes_a_volume_that_is_attached() -> None:
    item = volume(annotations=status_is("available"))
    with pytest.raises(BadRequest):
        gate.check_delete(item, derive(item, [attachment(state="attached")]), force=True)
