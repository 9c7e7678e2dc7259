"""Medians, quantiles and ratios of small samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence


def quantile(values: Iterable[float], share: float) -> float:
    """Return the nearest-rank quantile; `share` is from 0 to 1, and there is at least one value."""
    ranked = sorted(values)
    if not ranked:
        raise ValueError("no values")
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def median(values: Iterable[float]) -> float:
    """Return the middle value, or the mean of the middle two."""
    ranked = sorted(values)
    if not ranked:
        raise ValueError("no values")
    half = len(ranked) // 2
    return ranked[half] if len(ranked) % 2 else (ranked[half - 1] + ranked[half]) / 2


def spread(values: Sequence[float]) -> float:
    """Return how far apart the extremes are, as a share of the median; 0 for one value."""
    middle = median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def ratio(ours: float, theirs: float) -> float:
    """Return `ours / theirs`, infinite where theirs is nought."""
    return ours / theirs if theirs else math.inf


def readable(value: float) -> str:
    """Return a figure with three digits that count, as `12,300`, `1.23` or `0.0123`."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{digits}f}" if digits else f"{float(f'{value:.3g}'):,.0f}"
