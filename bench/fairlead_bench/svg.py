"""Charts as SVG: bars or lines, a few kilobytes, the same bytes from the same figures."""

import math
from collections.abc import Callable, Sequence
from html import escape

from fairlead_bench.figures import Chart

_WIDTH, _HEIGHT = 760, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 16, 58, 52
_COLOURS = ("#0969da", "#bc4c00", "#1a7f37", "#8250df", "#9a6700", "#57606a")
"""Told apart by colour-blind eyes too, and against a white and a dark page: the drawing has its own ground."""


def draw(chart: Chart) -> str:
    """The chart as an SVG document."""
    values = [y for series in chart.series for _, y in series.points]
    scale = _logarithmic(values) if chart.logarithmic else _linear(values)
    body = [*_frame(chart, scale), *(_lines(chart, scale) if chart.kind == "lines" else _bars(chart, scale))]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="sans-serif" font-size="12">'
    )
    return "\n".join([head, f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>', *body, "</svg>", ""])


class _Scale:
    """Places values between the floor and the ceiling of the drawing."""

    def __init__(self, low: float, high: float, ticks: Sequence[float], place: Callable[[float], float]) -> None:
        self.ticks = [tick for tick in ticks if low <= tick <= high]
        self._low, self._span, self._place = place(low), place(high) - place(low), place

    def y(self, value: float) -> float:
        share = (self._place(value) - self._low) / self._span
        return _HEIGHT - _BOTTOM - max(0.0, share) * (_HEIGHT - _BOTTOM - _TOP)


def _linear(values: Sequence[float]) -> _Scale:
    highest = max([*values, 0.0]) or 1.0
    step = 10 ** math.floor(math.log10(highest / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if highest / (step * factor) <= 6)
    count = math.ceil(highest / step)
    return _Scale(0.0, count * step, [number * step for number in range(count + 1)], lambda value: value)


def _logarithmic(values: Sequence[float]) -> _Scale:
    positive = [value for value in values if value > 0] or [1.0]
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    high = max(high, low + 1)
    ticks = [10.0**exponent for exponent in range(low, high + 1)]
    return _Scale(ticks[0], ticks[-1], ticks, lambda value: math.log10(max(value, ticks[0])))


def _frame(chart: Chart, scale: _Scale) -> list[str]:
    """Title, legend, and a line for each tick of y."""
    parts = [_text(_LEFT, 20, chart.title, size=14, anchor="start")]
    x = float(_LEFT)
    for index, series in enumerate(chart.series):
        parts.append(f'<rect x="{x:.0f}" y="32" width="11" height="11" fill="{_colour(index)}"/>')
        parts.append(_text(x + 16, 42, series.name, anchor="start"))
        x += 34 + 6.6 * len(series.name)
    for tick in scale.ticks:
        y = scale.y(tick)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#d0d7de"/>')
        parts.append(_text(_LEFT - 8, y + 4, number(tick), anchor="end"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10, chart.x_label))
    return parts


def _bars(chart: Chart, scale: _Scale) -> list[str]:
    groups = list(dict.fromkeys(str(x) for series in chart.series for x, _ in series.points))
    room = (_WIDTH - _LEFT - _RIGHT) / max(1, len(groups))
    width = min(46.0, room * 0.8 / len(chart.series))
    floor = _HEIGHT - _BOTTOM
    parts = []
    for position, group in enumerate(groups):
        middle = _LEFT + (position + 0.5) * room
        parts.append(_text(middle, floor + 18, group))
        for index, series in enumerate(chart.series):
            for y in (y for x, y in series.points if str(x) == group):
                left, top = middle + (index - len(chart.series) / 2) * width, scale.y(y)
                parts.append(
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{width - 2:.1f}" height="{max(1.0, floor - top):.1f}" '
                    f'fill="{_colour(index)}"/>'
                )
                parts.append(_text(left + width / 2 - 1, top - 4, number(y), size=10))
    return parts


def _lines(chart: Chart, scale: _Scale) -> list[str]:
    every = sorted({float(x) for series in chart.series for x, _ in series.points})
    low, span = every[0], (every[-1] - every[0]) or 1.0
    width = _WIDTH - _LEFT - _RIGHT - 40

    def place(x: str | float) -> float:
        return _LEFT + 20 + (float(x) - low) / span * width

    parts = [_text(place(x), _HEIGHT - _BOTTOM + 18, number(x)) for x in every]
    for index, series in enumerate(chart.series):
        points = [(place(x), scale.y(y)) for x, y in series.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path d="M{path}" fill="none" stroke="{_colour(index)}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{_colour(index)}"/>' for x, y in points]
        parts += [
            _text(x, y - 8, number(value), size=10) for (x, y), (_, value) in zip(points, series.points, strict=True)
        ]
    return parts


def _colour(index: int) -> str:
    return _COLOURS[index % len(_COLOURS)]


def _text(x: float, y: float, text: str, *, size: int = 12, anchor: str = "middle") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="#1f2328">{escape(text)}</text>'
    )


def number(value: float) -> str:
    """A number with three significant digits, whole ones with groups of thousands."""
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
