"""Figures: medians, quantiles, ratios, and how they are shown."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .harness.figures import median, quantile, ratio, readable, spread

_SAMPLES = st.lists(st.floats(-1e9, 1e9), min_size=1)


@given(_SAMPLES)
def test_a_median_has_as_many_above_as_below(values: list[float]) -> None:
    middle = median(values)
    assert sum(v < middle for v in values) <= len(values) / 2
    assert sum(v > middle for v in values) <= len(values) / 2


@given(_SAMPLES, st.floats(0, 1))
def test_a_quantile_is_one_of_the_values_and_rises_with_its_share(
    values: list[float], share: float
) -> None:
    assert quantile(values, share) in values
    assert min(values) == quantile(values, 0) <= quantile(values, share) <= quantile(values, 1)


def test_quantiles_are_of_the_nearest_rank() -> None:
    hundred = list(range(1, 101))
    assert [quantile(hundred, share) for share in (0.5, 0.99, 1)] == [50, 99, 100]


def test_nothing_has_no_median() -> None:
    with pytest.raises(ValueError, match="no values"):
        median([])
    with pytest.raises(ValueError, match="no values"):
        quantile([], 0.5)


def test_a_ratio_to_nothing_is_infinite() -> None:
    assert ratio(6, 3) == 2
    assert ratio(1, 0) == math.inf


def test_spread_is_a_share_of_the_median() -> None:
    assert spread([9, 10, 12]) == pytest.approx(0.3)
    assert spread([5]) == 0


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (1_234_567, "1,230,000"),
        (12.34, "12.3"),
        (0.01234, "0.0123"),
        (999.6, "1,000"),
        (0, "0"),
        (-2.5, "-2.50"),
        (math.inf, "–"),
    ],
)
def test_figures_are_shown_with_three_digits(value: float, shown: str) -> None:
    assert readable(value) == shown
