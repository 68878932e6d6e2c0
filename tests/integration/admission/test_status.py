"""The operator alone says what is."""

from typing import Any

import pytest

from admission_place import API, CONNECTOR, OPERATOR, SPECS, WRITERS, Place, Request, manifest
from fairlead_crds import names
from fairlead_crds.kinds import KINDS
from plain_requests import APPLY

STATUSES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "backends": ({"driver": "iscsi-tgt"}, {"holder": "x"}),
    "volumes": (SPECS["volumes"], {"phase": "Available"}),
    "attachments": (SPECS["attachments"], {"phase": "Pending"}),
    "nodeconnectors": ({"connector": CONNECTOR}, {"lastSeen": "2025-01-01T00:00:00Z"}),
}


@pytest.mark.parametrize("how", ["merge patch", "apply", "replace"])
@pytest.mark.parametrize("plural", STATUSES)
def test_status_is_written_by_the_operator_or_a_restore(place: Place, plural: str, how: str) -> None:
    spec, status = STATUSES[plural]
    body = manifest(plural, f"o-{place.namespace}", spec)
    namespaced = next(kind.namespaced for kind in KINDS if kind.plural == plural)
    collection = place.path(plural) if namespaced else f"{API}/{plural}"
    created = place.admin.send("POST", collection, body).body
    path = f"{collection}/{body['metadata']['name']}/status"
    requests: dict[str, Request] = {
        "merge patch": lambda caller: caller.patch(path, {"status": status}, dryRun="All"),
        "apply": lambda caller: caller.patch(
            path, body | {"status": status}, content_type=APPLY, dryRun="All", fieldManager="x"
        ),
        "replace": lambda caller: caller.send("PUT", path, created | {"status": status}, dryRun="All"),
    }
    assert place.let_through(requests[how]) == WRITERS
    assert "status: only Fairlead writes it" in requests[how](place.edit).message


def test_a_status_sent_with_the_object_is_dropped(place: Place) -> None:
    body = manifest("volumes", "o") | {"status": {"phase": "Available"}}
    assert "status" not in place.edit.send("POST", place.path("volumes"), body).body
    answer = place.edit.patch(place.path("volumes", "o"), {"status": {"phase": "Available"}})
    assert answer.ok
    assert "status" not in answer.body


def test_a_status_write_changes_no_metadata(place: Place) -> None:
    place.create("volumes", "o", finalizers=[names.FINALIZER], labels={names.LABEL_ID: "id-1"})
    change = {"metadata": {"finalizers": None, "labels": None}, "status": {"phase": "Available"}}
    answer = place.callers[OPERATOR].patch(place.path("volumes", "o", status=True), change)
    assert answer.body["metadata"]["finalizers"] == [names.FINALIZER]
    assert answer.body["metadata"]["labels"] == {names.LABEL_ID: "id-1"}
