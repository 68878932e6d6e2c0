"""A node for clients that are not Python: tries a login, or writes and reads a pattern, with given connection_info.

Usage: node_io.py (login|write|read) INITIATOR < connection_info.json. Exits 0 when it worked, 3 when it was refused.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from iscsi import Access, login, read_pattern, write_pattern

_PATTERN = 0x5A


def main() -> int:
    what, initiator = sys.argv[1:]
    info = json.load(sys.stdin)
    access = Access.of(info, initiator, info["auth_username"], info["auth_password"])
    match what:
        case "login":
            done = login(access).accepted
        case "write":
            done = write_pattern(access, pattern=_PATTERN)
        case "read":
            done = read_pattern(access, pattern=_PATTERN)
        case _:
            sys.exit(__doc__)
    return 0 if done else 3


if __name__ == "__main__":
    sys.exit(main())
