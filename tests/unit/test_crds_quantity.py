"""Sizes are read as Kubernetes reads quantities, exactly and rounded up to whole bytes."""

import pytest

from fairlead_crds.quantity import GIB, parse_bytes, to_gib


@pytest.mark.parametrize(
    ("text", "count"),
    [
        (10, 10),
        ("10", 10),
        ("+10", 10),
        ("-1", -1),
        ("10Gi", 10 * 2**30),
        ("1.5Gi", 3 * 2**29),
        (".5Ki", 512),
        ("5.Ki", 5120),
        ("500M", 500 * 10**6),
        ("1k", 1000),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("1e3", 1000),
        ("1E3", 1000),
        ("1e+3", 1000),
        ("1500m", 2),
        ("1u", 1),
        ("1n", 1),
        ("0", 0),
        ("1e-3", 1),
        ("7.999999999999999999Ei", 2**63 - 1),
        ("0.1Ei", 115292150460684698),
    ],
)
def test_a_quantity_is_whole_bytes_rounded_up(text: str | int, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    "text", ["", "Gi", "10GiB", "10 Gi", "1K", "1ki", "1.2.3", "0x10", "1e", "ten", "1e999999999", "١Gi", "10\n"]
)
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_bytes(text)


@pytest.mark.parametrize(("count", "gib"), [(0, 0), (1, 1), (GIB, 1), (GIB + 1, 2)])
def test_gib_are_rounded_up(count: int, gib: int) -> None:
    assert to_gib(count) == gib
