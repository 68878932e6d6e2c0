"""Ids, handles, backend labels and the finalizer are Fairlead's to write."""

from typing import Any

import pytest

from admission_place import ADMIN, CALLERS, CLAIMS, CREATORS, FACADE, OPERATOR, RELEASER, WRITERS, Place, manifest
from fairlead_crds import names
from plain_requests import APPLY, JSON_PATCH

LABELS = {"id": names.LABEL_ID, "backend": names.LABEL_BACKEND}
ANNOTATIONS = {
    "created-at": names.ANNOTATION_CREATED,
    "rest-status": names.ANNOTATION_STATUS,
    "admin-metadata": names.ANNOTATION_ADMIN_METADATA,
    "user-id": names.ANNOTATION_USER,
    "look-at-sessions": names.ANNOTATION_LOOK,
    "one that a later version invents": f"{names.GROUP}/invented",
}
OWN: dict[str, dict[str, Any]] = {
    "finalizer": {"finalizers": [names.FINALIZER]},
    "handle": {"annotations": {names.ANNOTATION_HANDLE: "x"}},
    **{label: {"labels": {key: "x"}} for label, key in LABELS.items()},
}
REST_OWN = {label: {"annotations": {key: "x"}} for label, key in ANNOTATIONS.items()}
IDENTIFIED: dict[str, Any] = {
    "finalizers": [names.FINALIZER],
    "labels": {names.LABEL_ID: "id-1", names.LABEL_BACKEND: "b", "team": "x"},
    "annotations": {names.ANNOTATION_HANDLE: "h-1", names.ANNOTATION_STATUS: "error", "note": "x"},
}


@pytest.mark.parametrize("plural", CLAIMS)
@pytest.mark.parametrize("own", OWN | REST_OWN)
def test_objects_are_created_with_an_identity_only_by_ours_or_a_restore(place: Place, plural: str, own: str) -> None:
    assert place.let_through(place.creating(plural, **(OWN | REST_OWN)[own])) == CREATORS


@pytest.mark.parametrize("plural", CLAIMS)
@pytest.mark.parametrize("own", OWN)
def test_an_identity_is_given_later_only_by_the_operator_or_a_restore(place: Place, plural: str, own: str) -> None:
    place.create(plural, "o")
    assert place.let_through(place.patching(plural, "o", {"metadata": OWN[own]})) == WRITERS


@pytest.mark.parametrize("plural", CLAIMS)
@pytest.mark.parametrize("own", REST_OWN)
def test_the_facade_annotates_its_objects_at_any_time(place: Place, plural: str, own: str) -> None:
    place.create(plural, "o")
    assert place.let_through(place.patching(plural, "o", {"metadata": REST_OWN[own]})) == WRITERS | {FACADE}


@pytest.mark.parametrize("plural", CLAIMS)
@pytest.mark.parametrize("value", ["other", None])
@pytest.mark.parametrize("field", [("labels", names.LABEL_ID), ("annotations", names.ANNOTATION_HANDLE)])
def test_id_and_handle_never_change(place: Place, plural: str, value: str | None, field: tuple[str, str]) -> None:
    place.create(plural, "o", **IDENTIFIED)
    kind, key = field
    request = place.patching(plural, "o", {"metadata": {kind: {key: value}}})
    assert place.let_through(request) == set()
    assert f"{key} can be neither changed nor removed" in request(place.callers[OPERATOR]).message


@pytest.mark.parametrize("plural", CLAIMS)
@pytest.mark.parametrize("value", ["other", None])
def test_the_backend_label_is_the_operators(place: Place, plural: str, value: str | None) -> None:
    place.create(plural, "o", **IDENTIFIED)
    change = {"metadata": {"labels": {names.LABEL_BACKEND: value}}}
    assert place.let_through(place.patching(plural, "o", change)) == WRITERS


@pytest.mark.parametrize("plural", CLAIMS)
@pytest.mark.parametrize("how", ["merge patch", "JSON patch", "replace"])
def test_the_finalizer_is_removed_only_by_the_operator_or_a_release(place: Place, plural: str, how: str) -> None:
    created = place.create(plural, "o", finalizers=["example.com/other", names.FINALIZER])
    if how == "merge patch":
        request = place.patching(plural, "o", {"metadata": {"finalizers": None}})
    elif how == "JSON patch":
        removal = [{"op": "remove", "path": "/metadata/finalizers/1"}]
        request = place.patching(plural, "o", removal, content_type=JSON_PATCH)
    else:
        created["metadata"]["finalizers"] = ["example.com/other"]
        request = place.replacing(plural, created)
    assert place.let_through(request) == {OPERATOR, RELEASER, ADMIN}
    assert "finalizer fairlead.dev/export stays until the backend is clean" in request(place.edit).message


@pytest.mark.parametrize("plural", CLAIMS)
def test_other_peoples_metadata_is_free(place: Place, plural: str) -> None:
    place.create(plural, "o", **IDENTIFIED)
    change = {
        "finalizers": [names.FINALIZER, "example.com/other"],
        "labels": {"team": None, "example.com/id": "x"},
        "annotations": {"note": "y"},
    }
    assert place.let_through(place.patching(plural, "o", {"metadata": change})) == CALLERS


@pytest.mark.parametrize("plural", CLAIMS)
def test_an_update_that_keeps_the_identity_passes(place: Place, plural: str) -> None:
    created = place.create(plural, "o", **IDENTIFIED)
    applied = manifest(plural, "o", labels={"team": "y"})
    assert place.let_through(place.replacing(plural, created)) == CALLERS
    assert (
        place.let_through(
            place.patching(plural, "o", applied, content_type=APPLY, fieldManager="kubectl", force="true")
        )
        == CALLERS
    )


def test_a_replacement_without_the_identity_is_told_to_patch(place: Place) -> None:
    created = place.create("volumes", "o", **IDENTIFIED)
    bare = manifest("volumes", "o", resourceVersion=created["metadata"]["resourceVersion"])
    answer = place.replacing("volumes", bare)(place.edit)
    assert answer.status == 403
    assert "with kubectl, use apply or patch instead of replace" in answer.message


def test_a_refusal_names_the_key_and_the_verb(place: Place) -> None:
    label = place.creating("volumes", labels={"a": "b", names.LABEL_ID: "x"})(place.edit).message
    assert "label fairlead.dev/id: only Fairlead writes it, or a caller with the verb restore on volumes" in label
    annotation = place.creating("volumes", annotations={names.ANNOTATION_STATUS: "x"})(place.edit).message
    assert "annotation fairlead.dev/rest-status: only Fairlead writes it" in annotation
