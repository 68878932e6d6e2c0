"""Kubernetes quantities (`10Gi`, `500M`, `1e9`) as bytes."""

import functools
import math
import re
from fractions import Fraction

_SUFFIX: dict[str, Fraction] = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 10**3), "": Fraction(1),
    "k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9),
    "T": Fraction(10**12), "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30),
    "Ti": Fraction(2**40), "Pi": Fraction(2**50), "Ei": Fraction(2**60),
}  # fmt: skip
# Two digits of exponent are more than any size needs; 1e999999999 would be multiplied out.
_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE]|)|[eE](?P<exponent>[+-]?[0-9]{1,2}))"
)

GIB = 2**30


# Lists of a thousand volumes say the same few sizes.
@functools.lru_cache(maxsize=4096)
def parse_bytes(text: str | int) -> int:
    """Return the quantity in bytes, rounded up.

    Raises:
        ValueError: `text` is not a quantity.
    """
    match = _QUANTITY.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; write bytes or use a suffix, such as 10Gi")
    exponent = match["exponent"]
    factor = _SUFFIX[match["suffix"]] if exponent is None else Fraction(10) ** int(exponent)
    return math.ceil(Fraction(match["number"]) * factor)


def to_gib(count: int) -> int:
    """Return bytes as whole GiB, rounded up, as the Block Storage API shows sizes."""
    return -(-count // GIB)
