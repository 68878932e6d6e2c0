"""Microversions: the header `OpenStack-API-Version: volume 3.NN`."""

import re
from dataclasses import dataclass
from functools import lru_cache

from fairlead_api.protocol.faults import BadRequest, NotAcceptable

HEADER = "OpenStack-API-Version"
SERVICE = "volume"

_SYNTAX = re.compile(r"^([1-9]\d*)\.([1-9]\d*|0)$", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class Microversion:
    """A version of the API, 3.NN."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"

    @classmethod
    def parse(cls, text: str) -> "Microversion":
        """Read `3.44`.

        Raises:
            BadRequest: it is no version number; `3`, `3.01` and `abc` are not.
        """
        match = _SYNTAX.match(text)
        if match is None:
            raise BadRequest(f"API Version String {text} is of invalid format. Must be of format MajorNum.MinorNum.")
        return cls(int(match[1]), int(match[2]))


MINIMUM = Microversion(3, 0)
MAXIMUM = Microversion(3, 71)

ATTACHMENTS = Microversion(3, 27)
STRICT_FILTERS = Microversion(3, 31)
LIKE_FILTERS = Microversion(3, 34)
COMPLETE = Microversion(3, 44)
ATTACH_MODE = Microversion(3, 54)


class VersionRefused(NotAcceptable):
    """The microversion is out of range. The answer names the version that was asked for."""

    def __init__(self, asked: Microversion) -> None:
        super().__init__(f"Version {asked} is not supported by the API. Minimum is {MINIMUM} and maximum is {MAXIMUM}.")
        self.asked = asked


@lru_cache(maxsize=64)
def negotiate(header: str | None) -> Microversion:
    """Return the version a request is to be served at; without a header that is the minimum.

    The first comma-separated element that contains the service's name (case-sensitively) counts.

    Raises:
        BadRequest: the header is malformed or speaks of other services only.
        VersionRefused: the version is not within the range.
    """
    if header is None:
        return MINIMUM
    element = next((part for part in header.split(",") if SERVICE in part), None)
    if element is None:
        raise BadRequest()
    words = element.split()
    if len(words) != 2 or words[0] != SERVICE:
        raise BadRequest()
    if words[1] == "latest":
        return MAXIMUM
    version = Microversion.parse(words[1])
    if not MINIMUM <= version <= MAXIMUM:
        raise VersionRefused(version)
    return version
