"""Kubernetes quantities (`10Gi`, `500M`, `1e9`) as bytes."""

import re
from decimal import Decimal

_SUFFIX = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60,
}  # fmt: skip
_QUANTITY = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<suffix>[kMGTPE]i?|Ki|[eE][+-]?\d+)?")

GIB = 2**30


def parse_bytes(text: str | int) -> int:
    """Return the quantity in bytes, rounded up.

    Raises:
        ValueError: `text` is not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; write bytes or use a suffix, such as 10Gi")
    suffix = match["suffix"] or ""
    if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix != "Ei":
        value = Decimal(match["number"] + suffix)
    elif suffix in _SUFFIX:
        value = Decimal(match["number"]) * _SUFFIX[suffix]
    else:
        raise ValueError(f"{text!r} is not a quantity: unknown suffix {suffix!r}")
    whole = int(value)
    return whole if whole == value else whole + 1


def format_bytes(count: int) -> str:
    """Return the shortest binary quantity that says exactly `count` bytes."""
    for suffix in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        if count and count % _SUFFIX[suffix] == 0:
            return f"{count // _SUFFIX[suffix]}{suffix}"
    return str(count)


def to_gib(count: int) -> int:
    """Return bytes as whole GiB, rounded up, as the Block Storage API shows sizes."""
    return -(-count // GIB)
