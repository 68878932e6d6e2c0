"""The option that holds a process to some namespaces, the same for operator and facade."""

import argparse
import re

_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def add_option(parser: argparse.ArgumentParser, default: str) -> None:
    """Add `--namespaces`; the parsed value is a tuple of names, empty for all.

    Args:
        parser: where.
        default: what the environment says; empty: nothing.
    """
    parser.add_argument(
        "--namespaces",
        type=_names,
        default=default,
        metavar="NAME,NAME",
        help="serve these namespaces only, and leave what is in others alone (default: all)",
    )


def _names(text: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(filter(None, (part.strip() for part in text.split(",")))))
    for name in found:
        if _NAMESPACE.fullmatch(name) is None:
            raise argparse.ArgumentTypeError(f"{name!r} is not the name of a namespace")
    return found
