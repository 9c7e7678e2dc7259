"""Whether a client comes back, and how long it waits before it does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.limits import Limits
from transport.wire.backoff import Backoff
from transport.wire.close_codes import CloseCode, should_reconnect

NEVER = 10.0**6
fractions = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("code", "reconnects"),
    [
        (4001, True),
        (4002, True),
        (4003, True),
        (4004, True),
        (4005, True),
        (4501, False),
        (4502, False),
        (4503, False),
        (4504, False),
        (4499, True),
        (4500, False),
        (4999, False),
        (4000, True),
        (1000, True),
        (1001, True),
        (1006, True),
        (1009, True),
        (3000, True),
        (5000, True),
        (None, True),
    ],
)
def test_the_range_says_whether_to_reconnect(code: int | None, reconnects: bool) -> None:
    assert should_reconnect(code) is reconnects


def test_every_code_has_a_reason_that_fits_into_a_close_frame() -> None:
    assert [int(code) for code in CloseCode] == [
        *(4001, 4002, 4003, 4004, 4005),
        *(4501, 4502, 4503, 4504),
    ]
    assert all(1 <= len(code.reason.encode()) <= 123 for code in CloseCode)


def longest_waits(failures: int, **limits: float) -> list[float]:
    backoff = Backoff(lambda: 1.0, Limits(**limits))  # type: ignore[arg-type] - drawn figures
    return [backoff.next_wait(float(i)) for i in range(failures)]


def test_waits_double_from_a_tenth_to_twenty_seconds() -> None:
    doubling = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 20, 20, 20]
    assert longest_waits(11) == pytest.approx(doubling)
    assert longest_waits(5000)[-1] == 20
    assert set(longest_waits(5000, reconnect_first_seconds=0)) == {0}


@given(st.lists(fractions, min_size=1, max_size=20))
def test_a_wait_is_drawn_from_all_of_its_range(drawn: list[float]) -> None:
    source = iter(drawn)
    backoff = Backoff(lambda: next(source))
    for n, fraction in enumerate(drawn):
        wait = backoff.next_wait(0.0)
        assert wait == pytest.approx(fraction * min(0.1 * 2**n, 20))
        assert 0 <= wait <= 20


@given(st.floats(0, 1000), st.integers(1, 12))
def test_a_minute_of_health_begins_anew(healthy: float, failures: int) -> None:
    backoff = Backoff(lambda: 1.0)
    for _ in range(failures):
        backoff.next_wait(NEVER)
    backoff.connected(0.0)
    wait = backoff.next_wait(healthy)
    assert wait == pytest.approx(0.1 if healthy >= 60 else min(0.1 * 2**failures, 20))


def test_health_counts_once() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.connected(0.0)
    waits = [backoff.next_wait(100.0 + i) for i in range(3)]
    assert waits == pytest.approx([0.1, 0.2, 0.4])


@given(st.floats(0, 3600), fractions, st.integers(0, 12))
def test_goaway_overrides_one_wait(seconds: float, fraction: float, failures: int) -> None:
    backoff = Backoff(lambda: fraction)
    for _ in range(failures):
        backoff.next_wait(NEVER)
    backoff.goaway(seconds)
    wait = backoff.next_wait(NEVER)
    assert seconds / 2 <= wait <= seconds
    assert backoff.next_wait(NEVER) == pytest.approx(0.1 * fraction)


def test_a_servers_word_is_bounded() -> None:
    backoff = Backoff(lambda: 1.0)
    backoff.goaway(1e300)
    assert backoff.next_wait(0.0) == 3600
    backoff.goaway(-5)
    assert backoff.next_wait(0.0) == 0
