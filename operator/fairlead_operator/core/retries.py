"""The pauses between tries, which grow. Here, because a message tells them and the queue keeps them."""

SHORTEST_PAUSE, LONGEST_PAUSE = 0.05, 30.0
"""Seconds."""


def pause_after(failures: int) -> float:
    """Return the seconds to wait after that many failures in a row."""
    return min(LONGEST_PAUSE, SHORTEST_PAUSE * 2.0 ** min(failures - 1, 32))
