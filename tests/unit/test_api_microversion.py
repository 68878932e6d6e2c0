"""Negotiation of microversions: every row of the conventions' table."""

import pytest

from fairlead_api.protocol.faults import BadRequest
from fairlead_api.protocol.microversion import Microversion, VersionRefused, negotiate


@pytest.mark.parametrize(
    ("header", "used"),
    [
        (None, "3.0"),
        ("volume 3.44", "3.44"),
        ("volume 3.0", "3.0"),
        ("volume latest", "3.71"),
        ("compute 2.1, volume 3.44", "3.44"),
        ("compute 2.1,volume 3.44", "3.44"),
        ("volume 3.44, volume 3.27", "3.44"),
    ],
)
def test_the_first_element_about_volumes_counts(header: str | None, used: str) -> None:
    assert str(negotiate(header)) == used


@pytest.mark.parametrize("asked", ["3.72", "3.99", "4.0", "2.0", "2.1", "3.999"])
def test_a_version_out_of_range_is_refused_and_named(asked: str) -> None:
    with pytest.raises(VersionRefused) as refused:
        negotiate(f"volume {asked}")
    assert str(refused.value.asked) == asked
    assert refused.value.message == (
        f"Version {asked} is not supported by the API. Minimum is 3.0 and maximum is 3.71."
    )


@pytest.mark.parametrize("asked", ["3", "abc", "3.01", "3.00", "03.1", "3.1.2", "-3.1", "3.-1", "3.٣"])
def test_a_malformed_version_says_how_it_should_look(asked: str) -> None:
    with pytest.raises(BadRequest, match=r"invalid format\. Must be of format MajorNum\.MinorNum"):
        negotiate(f"volume {asked}")


@pytest.mark.parametrize(
    "header",
    ["compute 2.1", "", "VOLUME 3.44", "block-storage 3.44", "volume", "volume 3.44 x", "volumes 3.44", "xvolume 3.4"],
)
def test_a_header_that_speaks_of_no_volume_version_is_a_bad_request(header: str) -> None:
    with pytest.raises(BadRequest):
        negotiate(header)


def test_versions_compare_as_numbers() -> None:
    assert Microversion(3, 9) < Microversion(3, 27) < Microversion(3, 71)
