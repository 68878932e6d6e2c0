"""Which Backend is in charge of an object."""

import pytest

from fairlead_crds import names
from fairlead_crds.conditions import Reason
from fairlead_crds.kinds import Backend, Metadata
from fairlead_operator.core.placement import Unplaced, default_backend, place_attachment, place_volume
from unit.model.objects import NOW, attachment, backend, metadata, volume

BACKENDS = {b.metadata.name: b for b in (backend("b"), backend("other", default=True))}


def reason(place: str | Unplaced) -> Reason:
    assert isinstance(place, Unplaced)
    return place.reason


def stamped(*, finalizer: bool, handle: bool) -> Metadata:
    """Labelled with Backend b, and with what shows who wrote the label."""
    return metadata(
        "x",
        adopted=False,
        labels={names.LABEL_BACKEND: "b"},
        finalizers=(names.FINALIZER,) if finalizer else (),
        annotations={names.ANNOTATION_HANDLE: "h-x"} if handle else {},
    )


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        ([backend("a", default=True)], "a"),
        ([backend("a"), backend("b", default=True)], "b"),
        ([], Reason.NO_DEFAULT_BACKEND),
        ([backend("a")], Reason.NO_DEFAULT_BACKEND),
        ([backend("a", default=True), backend("b", default=True)], Reason.AMBIGUOUS_DEFAULT),
    ],
)
def test_the_default_must_be_one(backends: list[Backend], expected: str | Reason) -> None:
    """Matrix: no, one, two defaults x with and without others."""
    place = default_backend(backends)
    assert (place.reason if isinstance(place, Unplaced) else place) == expected


def test_a_default_that_is_being_deleted_takes_nothing_new() -> None:
    going = backend("a", default=True)
    going = going.model_copy(update={"metadata": going.metadata.model_copy(update={"deletion_timestamp": NOW})})
    assert reason(default_backend([going])) is Reason.NO_DEFAULT_BACKEND


def test_two_defaults_are_both_named() -> None:
    place = default_backend([backend("one", default=True), backend("two", default=True)])
    assert isinstance(place, Unplaced)
    assert "one, two" in place.message


@pytest.mark.parametrize("finalizer", [True, False])
@pytest.mark.parametrize("handle", [True, False])
def test_a_label_counts_when_it_is_shown_to_be_ours(finalizer: bool, handle: bool) -> None:
    """Matrix: finalizer x handle; a label that came with neither is anybody's. Both torn off at once cannot be."""
    item = volume(meta=stamped(finalizer=finalizer, handle=handle), ready=False)
    assert place_volume(item, BACKENDS) == ("b" if finalizer or handle else "other")


def test_an_attachment_without_finalizer_stays_with_the_backend_that_exported_it() -> None:
    """Its volume may be gone as well; then only the label says who can cut the node off."""
    item = attachment(meta=stamped(finalizer=False, handle=True))
    assert place_attachment(item, None, BACKENDS) == "b"


def test_a_named_backend_wins_over_the_default() -> None:
    item = volume(meta=metadata("v", adopted=False), backend_name="b")
    assert place_volume(item, BACKENDS) == "b"


def test_what_was_served_stays_where_it_was_though_its_label_is_torn_off() -> None:
    """The default may be another one by now, and the data are where they are."""
    item = volume(meta=metadata("v", adopted=False))
    assert (item.status.backend_name, place_volume(item, BACKENDS)) == ("b", "b")


def test_an_unknown_backend_is_told_with_the_known_ones() -> None:
    place = place_volume(volume(meta=metadata("v", adopted=False), ready=False, backend_name="c"), BACKENDS)
    assert reason(place) is Reason.UNKNOWN_BACKEND
    assert isinstance(place, Unplaced)
    assert "b, other" in place.message


def test_an_attachment_follows_its_volume() -> None:
    item = attachment(meta=metadata("a", adopted=False))
    assert place_attachment(item, volume(), BACKENDS) == "b"


def test_an_attachment_of_no_volume_says_so() -> None:
    item = attachment(meta=metadata("a", adopted=False))
    assert reason(place_attachment(item, None, BACKENDS)) is Reason.VOLUME_NOT_FOUND


@pytest.mark.parametrize(("finalizer", "handle"), [(True, True), (True, False), (False, True)])
def test_what_lost_label_status_and_volume_is_the_only_backends_and_else_asks_for_its_label(
    finalizer: bool, handle: bool
) -> None:
    """Matrix: what still shows that it was ours. Its export may live, and somebody must take it away."""
    labelled = stamped(finalizer=finalizer, handle=handle)
    item = attachment(meta=labelled.model_copy(update={"labels": {}}))
    assert place_attachment(item, None, {"b": BACKENDS["b"]}) == "b"
    assert reason(place := place_attachment(item, None, BACKENDS)) is Reason.UNKNOWN_BACKEND
    assert isinstance(place, Unplaced)
    assert f"{names.LABEL_BACKEND} to one of: b, other" in place.message


def test_an_attachment_whose_backend_is_gone_says_so() -> None:
    assert reason(place_attachment(attachment(), volume(), {})) is Reason.UNKNOWN_BACKEND
