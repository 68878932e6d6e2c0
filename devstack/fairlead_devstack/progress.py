"""One line to the person waiting, on stderr, so that a command's own output stays clean."""

import sys


def say(text: str) -> None:
    """Print one line on stderr at once, marked as the development stack's.

    Args:
        text: The line, without a line end.
    """
    print(f"[devstack] {text}", file=sys.stderr, flush=True)
