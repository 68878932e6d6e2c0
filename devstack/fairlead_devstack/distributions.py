"""What is installed here beside Fairlead: names, versions, licences, and which of it Fairlead itself needs."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CLASSIFIER = "License :: OSI Approved :: "


@dataclass(frozen=True)
class Distribution:
    """An installed distribution.

    Attributes:
        name: normalized (PEP 503).
        version: its version.
        licence: an SPDX expression, or what the distribution says in its own words; empty when it says nothing.
        needs: normalized names of what it needs without extras.
    """

    name: str
    version: str
    licence: str
    needs: frozenset[str]


def normalized(name: str) -> str:
    """Return a name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def installed() -> dict[str, Distribution]:
    """Return all distributions of this environment, by name."""
    found = {}
    for item in metadata.distributions():
        name = normalized(item.name)
        found[name] = Distribution(name, item.version, _licence(item), _needs(item))
    return found


def runtime(distributions: Mapping[str, Distribution], root: str = "fairlead") -> set[str]:
    """Return the names of all that a distribution needs to run, itself excluded."""
    reached: set[str] = set()
    waiting = [root]
    while waiting:
        for name in distributions[waiting.pop()].needs:
            # Markers are for other machines, too: what is not installed is not needed on this one.
            if name not in reached and name in distributions:
                reached.add(name)
                waiting.append(name)
    return reached


def _needs(item: metadata.Distribution) -> frozenset[str]:
    required = (text for text in item.requires or () if not re.search(r"\bextra\s*==", text))
    return frozenset(normalized(match[0]) for text in required if (match := _NAME.match(text)))


def _licence(item: metadata.Distribution) -> str:
    headers = item.metadata
    expressions = headers.get_all("License-Expression") or []
    if expressions:
        return str(expressions[0])
    classified = [text.removeprefix(_CLASSIFIER) for text in headers.get_all("Classifier") or [] if _CLASSIFIER in text]
    said = headers.get_all("License") or [""]
    return " OR ".join(classified) or str(said[0]).partition("\n")[0]
