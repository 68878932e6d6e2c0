"""iSCSI names: which are valid, and which this driver takes.

Source: RFC 3720, sections 3.2.6.3 and following; RFC 3722 for the characters. Names are at most 223 bytes.
"""

import re

MAX_LENGTH = 223

_DATE_AND_DOMAIN = r"iqn\.[0-9]{4}-(?:0[1-9]|1[0-2])\.[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?"
# Letters of either case, and the underscore that many hosts put into theirs: names are compared byte by byte, so the
# name is taken exactly as the node sends it. Anything else could be misread by the target's own commands.
_INITIATOR = re.compile(
    rf"{_DATE_AND_DOMAIN}(?::[A-Za-z0-9._:-]+)?|eui\.[0-9A-Fa-f]{{16}}|naa\.(?:[0-9A-Fa-f]{{16}}|[0-9A-Fa-f]{{32}})"
)
_PREFIX = re.compile(_DATE_AND_DOMAIN)
_HANDLE = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?")


def is_initiator_name(name: object) -> bool:
    """True for a name that a node's initiator may have."""
    return isinstance(name, str) and len(name) <= MAX_LENGTH and _INITIATOR.fullmatch(name) is not None


def is_target_prefix(prefix: str) -> bool:
    """True for `iqn.<year>-<month>.<reversed domain>`, to which a colon and a handle may be added."""
    return len(prefix) <= MAX_LENGTH - 65 and _PREFIX.fullmatch(prefix) is not None


def is_handle(handle: str) -> bool:
    """True for what may be the last part of a target's name, an account's name and a file's."""
    return len(handle) <= 64 and _HANDLE.fullmatch(handle) is not None
