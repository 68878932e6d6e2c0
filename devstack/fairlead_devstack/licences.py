"""``python -m fairlead_devstack.licences``: whether everything installed may be used under Fairlead's own licence."""

import re
import sys

from fairlead_devstack.distributions import installed, runtime
from fairlead_devstack.progress import say

PERMISSIVE = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "PSF-2.0", "Unlicense",
        "3-Clause BSD License", "Apache Software License", "BSD License", "MIT License",
        "Python Software Foundation License",
    }
)  # fmt: skip
"""Licences of what Fairlead may need to run: they ask for no more than a notice."""

WEAK_COPYLEFT = frozenset({"MPL-2.0", "Mozilla Public License 2.0 (MPL 2.0)"})
"""Licences of what it may use unchanged. They cover their own files only."""


def allowed(licence: str) -> bool:
    """Whether a licence is one of those above: of alternatives one, of a combination each."""
    known = PERMISSIVE | WEAK_COPYLEFT
    ways = re.split(r"\s+OR\s+", licence)
    return licence in known or any(all(part in known for part in re.split(r"\s+AND\s+", way)) for way in ways)


def main() -> int:
    """Check each distribution; name those that need a look.

    Returns:
        The exit code.
    """
    distributions = installed()
    wrong = [item for item in distributions.values() if not allowed(item.licence)]
    for item in sorted(wrong, key=lambda item: item.name):
        place = "which Fairlead needs to run" if item.name in runtime(distributions) else "a tool"
        say(f"licence of {item.name} {item.version}, {place}: {item.licence or 'it says none'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
