"""Data that are already on a backend are taken over only by those who may."""

import pytest

from admission_place import ADMIN, ADOPTER, ADOPTER_FROM_ONE, FACADE, Place


@pytest.mark.parametrize(
    ("backend", "adopters"),
    [
        ({}, {ADOPTER, ADMIN}),
        ({"backendName": "other"}, {ADOPTER, ADMIN}),
        ({"backendName": "one"}, {ADOPTER, ADOPTER_FROM_ONE, ADMIN}),
    ],
)
def test_existing_data_are_adopted_only_by_those_who_may(
    place: Place, backend: dict[str, str], adopters: set[str]
) -> None:
    request = place.creating("volumes", {"size": "1Gi", "source": {"handle": "h"}, **backend})
    assert place.let_through(request) == adopters
    assert "takes over a volume that is already on the backend" in request(place.callers[FACADE]).message
