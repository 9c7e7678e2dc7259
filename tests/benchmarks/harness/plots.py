"""Plots as SVG, made by hand: bars on a logarithmic scale, one for each case and subject."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from attrs import frozen

from .figures import readable

if TYPE_CHECKING:
    from .report import Report, Result

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP = 720, 230, 90, 16, 10, 40
_COLOURS = {
    "holdfast": "#0b6e4f",
    "holdfast, relaxed": "#6bbf59",
    "websockets + uvloop": "#c06014",
    "trio-websocket": "#4c6ef5",
    "python-socketio": "#9b59b6",
    "SQLite alone": "#6c757d",
}
_OTHER = "#adb5bd"


@frozen
class Bar:
    """One bar: what it stands for, whose it is, and how long it is."""

    label: str
    subject: str
    value: float


@frozen
class Plot:
    """A plot of one metric of one row."""

    name: str
    title: str
    bars: tuple[Bar, ...]

    def svg(self) -> str:
        """Return it as an SVG document."""
        height = _TOP + len(self.bars) * (_BAR + _GAP) + _GAP
        scale = _Scale([bar.value for bar in self.bars])
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'font-family="sans-serif" font-size="12" role="img" '
            f'aria-label="{escape(self.title)}">',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            f'<text x="10" y="22" font-size="14" font-weight="bold">{escape(self.title)}</text>',
        ]
        parts += [line for n, bar in enumerate(self.bars) for line in _drawn(n, bar, scale)]
        return "\n".join([*parts, "</svg>"]) + "\n"


class _Scale:
    """From figures to pixels: logarithmic, from the decade below the least one."""

    def __init__(self, values: Sequence[float]) -> None:
        positive = [value for value in values if value > 0] or [1.0]
        self._low = math.floor(math.log10(min(positive)) - 0.001)
        self._high = max(math.log10(max(positive)), self._low + 1)

    def pixels(self, value: float) -> float:
        """Return how long a bar is."""
        if value <= 0:
            return 0.0
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return max(1.0, share * (_WIDTH - _LEFT - _RIGHT))


def _drawn(number: int, bar: Bar, scale: _Scale) -> Iterable[str]:
    y = _TOP + number * (_BAR + _GAP)
    length = scale.pixels(bar.value)
    text = y + _BAR - 4
    yield f'<text x="{_LEFT - 8}" y="{text}" text-anchor="end">{escape(bar.label)}</text>'
    yield (
        f'<rect x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}" '
        f'fill="{_COLOURS.get(bar.subject, _OTHER)}"/>'
    )
    yield f'<text x="{_LEFT + length + 6:.1f}" y="{text}">{readable(bar.value)}</text>'


def plots(report: Report) -> list[Plot]:
    """Return a plot for each row and metric that has at least two bars to compare."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        if not result.void:
            groups.setdefault((result.row, result.metric), []).append(result)
    return [_plot(*key, results) for key, results in groups.items() if len(results) > 1]


def _plot(row: str, metric: str, results: list[Result]) -> Plot:
    unit = results[0].unit
    title = f"{row}: {metric}" + (f" ({unit})" if unit else "") + ", logarithmic"
    bars = tuple(Bar(f"{r.case} · {r.subject}", r.subject, r.value) for r in results)
    return Plot(_file_name(f"{row} {metric}"), title, bars)


def _file_name(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return "-".join(words)
