"""Sampled stacks of a Python process: what they add up to."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from fairlead_bench.figures import Frame

Stacks = Mapping[tuple[str, ...], int]
"""How often each stack was seen, outermost call first; a frame is `function (package/file.py)`."""

_LINE = re.compile(r":\d+\)$")
_PLUMBING = "Handle._run (asyncio/events.py)"
"""Everything below it is the event loop that calls."""
_LEAST = 0.004
"""Share of the samples below which a frame is not kept."""

_AREAS = (
    ("kopf", ("kopf/",)),
    ("HTTP client and TLS", ("aiohttp/", "asyncio/sslproto.py", "ssl.py", "fairlead_kube/client.py")),
    (
        "HTTP server",
        ("fastapi/", "starlette/", "uvicorn/", "httptools/", "fairlead_api/transport/", "fairlead_api/protocol/"),
    ),
    (
        "telemetry",
        ("prometheus_client/", "opentelemetry/", "logging/", "fairlead_telemetry/", "fairlead_operator/trail"),
    ),
    ("driver", ("fairlead_operator/drivers/",)),
    ("models", ("pydantic/", "fairlead_crds/")),
    ("store", ("fairlead_kube/",)),
    ("Fairlead's own", ("fairlead_operator/", "fairlead_api/")),
)
_LOOP = "event loop"


def read(folded: str) -> Stacks:
    """Parse what py-spy writes with `--format raw`: a stack and a count in each line."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in folded.splitlines():
        frames, _, count = line.rpartition(" ")
        stack = tuple(_LINE.sub(")", frame) for frame in frames.split(";"))
        found[stack[stack.index(_PLUMBING) + 1 :] if _PLUMBING in stack else ()] += int(count)
    return found


def tree(stacks: Stacks) -> Frame:
    """Who called whom."""
    total = sum(stacks.values())
    return Frame(name="event loop", share=1.0, called=_called(stacks, 0, total))


def areas(stacks: Stacks) -> Mapping[str, float]:
    """The share of each area: a sample belongs to the innermost function that is of any."""
    total, found = sum(stacks.values()), Counter[str]()
    for stack, count in stacks.items():
        found[_area(stack)] += count
    return {area: count / total for area, count in found.most_common()}


def _area(stack: Sequence[str]) -> str:
    for frame in reversed(stack):
        for area, parts in _AREAS:
            if any(f"({part}" in frame for part in parts):
                return area
    return _LOOP


def _called(stacks: Stacks, level: int, total: int) -> tuple[Frame, ...]:
    groups: dict[str, Counter[tuple[str, ...]]] = {}
    for stack, count in stacks.items():
        if len(stack) > level:
            groups.setdefault(stack[level], Counter())[stack] += count
    frames: Iterable[Frame] = (
        Frame(name=name, share=sum(part.values()) / total, called=_called(part, level + 1, total))
        for name, part in sorted(groups.items())
        if sum(part.values()) / total >= _LEAST
    )
    return tuple(frames)
