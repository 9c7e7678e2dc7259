"""Plots as SVG, made by hand: bars on a logarithmic scale, one for each case and subject."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from attrs import frozen

from .figures import readable

if TYPE_CHECKING:
    from .report import Report, Result

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP, _TOP, _BOTTOM = 760, 270, 110, 16, 8, 46, 46
_COLOURS = {
    "holdfast": "#0b6e4f",
    "holdfast, relaxed": "#6bbf59",
    "websockets + uvloop": "#c06014",
    "trio-websocket": "#4c6ef5",
    "python-socketio": "#9b59b6",
    "SQLite alone": "#6c757d",
}
_OTHER = "#adb5bd"
_GOAL = "#d00000"


@frozen
class Bar:
    """One bar: what it stands for, whose it is, how long it is, and where its goal lies."""

    label: str
    subject: str
    value: float
    goal: float | None = None


@frozen
class Plot:
    """A plot of one metric of one row.

    Args:
        name: of its file.
        title: what is shown.
        bars: at least one, from the top.
        unit: of the figures; empty where the title says it.
        goal: how the goals are told below the plot, as `≤`; empty where there is none.
    """

    name: str
    title: str
    bars: tuple[Bar, ...]
    unit: str = ""
    goal: str = ""

    def svg(self) -> str:
        """Return it as an SVG document."""
        bottom = _TOP + len(self.bars) * (_BAR + _GAP)
        height = bottom + _BOTTOM
        goals = [bar.goal for bar in self.bars if bar.goal is not None]
        scale = _Scale([bar.value for bar in self.bars] + goals)
        title = escape(self.title)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'font-family="sans-serif" font-size="12" role="img" aria-label="{title}">',
            f'<rect width="{_WIDTH}" height="{height}" fill="white"/>',
            f'<text x="10" y="24" font-size="14" font-weight="bold">{title}</text>',
            *self._axis(scale, bottom),
        ]
        parts += [line for n, bar in enumerate(self.bars) for line in self._drawn(n, bar, scale)]
        return "\n".join([*parts, "</svg>"]) + "\n"

    def _axis(self, scale: _Scale, bottom: int) -> Iterator[str]:
        for decade in scale.decades():
            x = _LEFT + scale.pixels(decade)
            yield f'<path d="M{x:.1f} {_TOP - 6}V{bottom}" stroke="#dddddd"/>'
            label = f"{readable(decade)} {self.unit}".rstrip()
            yield f'<text x="{x:.1f}" y="{bottom + 14}" text-anchor="middle">{label}</text>'
        said = "logarithmic scale" + (f"; red: the goal, {self.goal}" if self.goal else "")
        yield f'<text x="{_LEFT}" y="{bottom + 34}" fill="#555555">{said}</text>'

    def _drawn(self, number: int, bar: Bar, scale: _Scale) -> Iterator[str]:
        y = _TOP + number * (_BAR + _GAP)
        length = scale.pixels(bar.value)
        text = y + _BAR - 4
        yield f'<text x="{_LEFT - 8}" y="{text}" text-anchor="end">{escape(bar.label)}</text>'
        yield (
            f'<rect class="bar" x="{_LEFT}" y="{y}" width="{length:.1f}" height="{_BAR}" '
            f'fill="{_COLOURS.get(bar.subject, _OTHER)}"/>'
        )
        after = length
        if bar.goal is not None:
            x = scale.pixels(bar.goal)
            after = max(length, x) if x < length + 60 else length
            yield (
                f'<path class="goal" d="M{_LEFT + x:.1f} {y - 3}v{_BAR + 6}" '
                f'stroke="{_GOAL}" stroke-width="2.5"/>'
            )
        value = f"{readable(bar.value)} {self.unit}".rstrip()
        yield f'<text x="{_LEFT + after + 6:.1f}" y="{text}">{value}</text>'


class _Scale:
    """From figures to pixels: logarithmic, from the decade below the least one."""

    def __init__(self, values: Sequence[float]) -> None:
        positive = [value for value in values if value > 0] or [1.0]
        self._low = math.floor(math.log10(min(positive)) - 0.001)
        self._high = max(math.log10(max(positive)), self._low + 1)

    def decades(self) -> list[float]:
        """Return the powers of ten on it, so few of them that their labels do not touch."""
        powers = range(self._low, math.floor(self._high) + 1)
        return [10.0**power for power in powers[:: 1 + len(powers) // 6]]

    def pixels(self, value: float) -> float:
        """Return how long a bar is."""
        if value <= 0:
            return 0.0
        share = (math.log10(value) - self._low) / (self._high - self._low)
        return max(1.0, share * (_WIDTH - _LEFT - _RIGHT))


def plots(report: Report) -> list[Plot]:
    """Return a plot for each row and metric that has at least two bars to compare."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in report.results:
        if not result.void:
            groups.setdefault((result.row, result.metric), []).append(result)
    return [_plot(*key, results) for key, results in groups.items() if len(results) > 1]


def gallery(drawn: Sequence[Plot]) -> str:
    """Return the plots as images in Markdown, for the page beside whose folder they lie."""
    return "".join(f"![{plot.title}](performance/{plot.name}.svg)\n" for plot in drawn)


def _plot(row: str, metric: str, results: list[Result]) -> Plot:
    unit = results[0].unit
    title = f"{row}: {metric}" + (f", in {unit}" if unit else "")
    bars = tuple(Bar(f"{r.case} · {r.subject}", r.subject, r.value, r.goal.bound) for r in results)
    goals = dict.fromkeys(f"{r.goal} {unit}".rstrip() for r in results if r.goal.bound is not None)
    return Plot(_file_name(f"{row} {metric}"), title, bars, unit, " and ".join(goals))


def _file_name(text: str) -> str:
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return "-".join(words)
