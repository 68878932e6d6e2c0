"""A connector is free-form, but not endless."""

from typing import Any

import pytest
from kubernetes import client

from admission_place import CALLERS, OPERATOR, Place


def connectors(text: str) -> dict[str, dict[str, Any]]:
    return {"flat": {"host": text}, "nested": {"x": [{"y": [text[::2], None, True, 1.5]}], "z": text[1::2]}}


@pytest.mark.parametrize("shape", ["flat", "nested"])
def test_a_long_connector_is_refused_whoever_sends_it(place: Place, shape: str) -> None:
    fits, long = (connectors("x" * length)[shape] for length in (16000, 16400))
    assert place.let_through(place.creating("attachments", {"volumeName": "v", "connector": fits})) == CALLERS
    request = place.creating("attachments", {"volumeName": "v", "connector": long})
    assert place.let_through(request) == set()
    assert "spec.connector is longer than 16384 characters" in request(place.edit).message
    place.create("attachments", "o")
    assert place.let_through(place.patching("attachments", "o", {"spec": {"connector": long}})) == set()
    assert place.let_through(place.patching("attachments", "o", {"spec": {"connector": fits}})) == CALLERS


def test_a_megabyte_is_refused_as_clearly(place: Place) -> None:
    request = place.creating("attachments", {"volumeName": "v", "connector": {"host": "x" * 1_000_000}})
    assert "spec.connector is longer than 16384 characters" in request(place.edit).message


def test_an_older_long_connector_does_not_hold_its_finalizer(guarded: client.ApiClient) -> None:
    default = Place(guarded, "default")
    change = {"metadata": {"finalizers": None}}
    assert default.patching("attachments", "old", change)(default.callers[OPERATOR]).ok
