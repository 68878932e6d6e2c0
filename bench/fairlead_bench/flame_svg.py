"""Flame graphs as SVG: who called whom from the bottom up, as wide as their share of the samples."""

from collections.abc import Iterator
from html import escape

from fairlead_bench.figures import Flame, Frame

_WIDTH, _ROW, _TOP = 1100, 17, 34
_LETTER = 6.2
"""How wide a letter is drawn, about."""
_COLOURS = (
    ("fairlead_", "#b6e3ff"),
    ("kopf/", "#ffdf5d"),
    ("aiohttp/", "#ffc680"),
    ("fastapi/", "#d8b9ff"),
    ("starlette/", "#d8b9ff"),
    ("uvicorn/", "#d8b9ff"),
)
_OTHER = "#eaeef2"


def draw_flame(flame: Flame) -> str:
    """The graph as an SVG document; a browser shows a frame's name and share when pointed at."""
    depth = _depth(flame.root)
    height = _TOP + depth * _ROW + 8
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="11">'
    )
    ground = f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    title = f'<text x="6" y="21" font-size="14" fill="#1f2328">{escape(flame.title)}</text>'
    return "\n".join([head, ground, title, *_frames(flame.root, 0.0, 1, height), "</svg>", ""])


def _depth(frame: Frame) -> int:
    return 1 + max(map(_depth, frame.called), default=0)


def _frames(frame: Frame, left: float, level: int, height: int) -> Iterator[str]:
    x, y, width = left * _WIDTH, height - 4 - level * _ROW, frame.share * _WIDTH
    colour = next((colour for part, colour in _COLOURS if part in frame.name), _OTHER)
    room = int((width - 6) / _LETTER)
    text = frame.name if len(frame.name) <= room else frame.name[: max(0, room - 1)] + "…"
    label = f'<text x="{x + 3:.1f}" y="{y + 12}" fill="#1f2328">{escape(text)}</text>' if room > 3 else ""
    yield (
        f'<g><title>{escape(frame.name)}: {frame.share:.1%}</title><rect x="{x:.1f}" y="{y}" '
        f'width="{max(0.5, width - 0.5):.1f}" height="{_ROW - 1}" fill="{colour}"/>{label}</g>'
    )
    for called in frame.called:
        yield from _frames(called, left, level + 1, height)
        left += called.share
