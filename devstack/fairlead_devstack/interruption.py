"""Ctrl-C, SIGTERM and a closed terminal end a command in one way, and let it clean up."""

import signal
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

EXIT_CODE = 130
"""What an interrupted command ends with, as shells count (128 + SIGINT)."""


def end_on_signals() -> None:
    """From now on each of these signals raises KeyboardInterrupt, the first one only: the clean-up that it begins is
    not to be broken off by the next."""
    for number in _ENDING:
        signal.signal(number, _interrupt)


def ignore_signals() -> None:
    """From now on clean up undisturbed."""
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


def _interrupt(number: int, frame: FrameType | None) -> None:
    del number, frame
    ignore_signals()
    raise KeyboardInterrupt
