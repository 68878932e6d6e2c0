"""``python -m fairlead_devstack.sbom FILE``: what Fairlead is made of, as a CycloneDX document.

The hashes are those of the lock file, so the document names exactly what `make setup` and the image build install.
"""

import json
import re
import sys
import uuid
from pathlib import Path
from typing import Any

from fairlead_devstack.distributions import Distribution, installed, normalized, runtime

LOCK = Path(__file__).parents[2] / "requirements.txt"
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==(\S+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def document() -> dict[str, Any]:
    """Return the document. It is the same for the same lock file, so that builds can be compared."""
    distributions = installed()
    fairlead = distributions["fairlead"]
    names = sorted(runtime(distributions))
    hashes = locked_hashes(LOCK.read_text())
    serial = uuid.uuid5(uuid.NAMESPACE_URL, "\n".join(_url(distributions[name]) for name in names))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {"component": {**_component(fairlead, ()), "type": "application"}},
        "components": [_component(distributions[name], hashes.get(name, ())) for name in names],
        "dependencies": [
            {
                "ref": _url(distributions[name]),
                "dependsOn": sorted(_url(distributions[need]) for need in distributions[name].needs if need in names),
            }
            for name in ["fairlead", *names]
        ],
    }


def locked_hashes(text: str) -> dict[str, tuple[str, ...]]:
    """Return the SHA-256 of every archive that a lock file permits, by distribution."""
    found: dict[str, tuple[str, ...]] = {}
    name = ""
    for line in text.splitlines():
        pin = _PIN.match(line)
        if pin:
            name = normalized(pin[1])
        if name and (digest := _HASH.search(line)):
            found[name] = (*found.get(name, ()), digest[1])
    return found


def _component(item: Distribution, hashes: tuple[str, ...]) -> dict[str, Any]:
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": _url(item),
        "name": item.name,
        "version": item.version,
        "purl": _url(item),
    }
    if item.licence:
        component["licenses"] = [{"license": {"name": item.licence}}]
    if hashes:
        # Each is of one archive, built or source, that may be installed; CycloneDX wants such apart from the whole.
        component["externalReferences"] = [
            {"type": "distribution", "url": _url(item), "hashes": [{"alg": "SHA-256", "content": value}]}
            for value in hashes
        ]
    return component


def _url(item: Distribution) -> str:
    return f"pkg:pypi/{item.name}@{item.version}"


def main(arguments: list[str]) -> int:
    """Write the document to the file named.

    Returns:
        The exit code.
    """
    if len(arguments) != 1:
        print("usage: python -m fairlead_devstack.sbom FILE", file=sys.stderr)
        return 2
    path = Path(arguments[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document(), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
