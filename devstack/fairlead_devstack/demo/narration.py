"""What the demo says: chapters, commands and their output, and checks, each as it happens, on standard output."""

import shlex
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_INDENT = "  "
_POLL = 0.02


class CheckFailed(Exception):
    """Something is not as the demo says it must be."""


def chapter(title: str) -> None:
    """Begin a part."""
    print(f"\n{title}\n{'-' * len(title)}", flush=True)


def tell(text: str) -> None:
    """Say what comes, or why."""
    print(f"\n{textwrap.fill(text, 110)}", flush=True)


def show_command(arguments: Sequence[str], stdin: str = "") -> None:
    """Show a command as a person would type it, its standard input as a here-document."""
    line = f"$ {shlex.join(arguments)}"
    show(f"{line} <<EOF\n{stdin.strip()}\nEOF" if stdin else line)


def show(text: str) -> None:
    """Show output."""
    if text.strip():
        print(textwrap.indent(text.rstrip(), _INDENT), flush=True)


def check(holds: bool, what: str, *, otherwise: str = "") -> None:
    """Say that something is so.

    Raises:
        CheckFailed: it is not.
    """
    if not holds:
        raise CheckFailed(f"not so: {what}" + (f" ({otherwise})" if otherwise else ""))
    show(f"ok: {what}")


def check_soon(predicate: Callable[[], bool], what: str, *, timeout: float = 10.0) -> None:
    """Say that something is so as soon as it is.

    Raises:
        CheckFailed: it still is not after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            raise CheckFailed(f"not so within {timeout:.0f} s: {what}")
        time.sleep(_POLL)
    show(f"ok: {what}")


class Stopwatch:
    """Seconds that something took, once it is over."""

    def __init__(self) -> None:
        self.seconds = 0.0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measure what happens inside."""
    watch, began = Stopwatch(), time.monotonic()
    try:
        yield watch
    finally:
        watch.seconds = time.monotonic() - began
