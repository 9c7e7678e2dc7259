"""I10: how many restarts are too many, as OTP counts them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core.restart_intensity import RestartIntensity


@pytest.mark.parametrize(
    ("intensity", "at", "exceeded"),
    [
        (1, [0], False),
        (1, [0, 60], True),  # exactly a period apart still counts together
        (1, [0, 60.5], False),
        (3, [0, 1, 2], False),
        (3, [0, 1, 2, 3], True),
        (3, [0, 1, 2, 62], False),  # the oldest fell out of the period
        (3, [0, 20, 40, 60], True),
        (3, [0, 20, 40, 61, 62], True),
    ],
)
def test_exceeded(intensity: int, at: list[float], exceeded: bool) -> None:
    count = RestartIntensity(intensity, 60.0)
    for now in at:
        count = count.after_restart(now)
    assert count.exceeded is exceeded


@given(
    st.integers(1, 5),
    st.lists(st.floats(0, 100), max_size=40).map(sorted),
)
def test_exceeded_is_more_than_intensity_in_some_period_ending_now(
    intensity: int, at: list[float]
) -> None:
    """I12: what is remembered stays bounded, and is enough to tell."""
    count = RestartIntensity(intensity, 10.0)
    for number, now in enumerate(at, 1):
        count = count.after_restart(now)
        assert len(count.restarts) <= intensity + 1
        recent = [each for each in at[:number] if now - each <= 10.0]
        assert count.exceeded is (len(recent) > intensity)
