"""Cursors: what `Position.cursor` made is read back; everything else is unreadable."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actors.core.position import Position, parse_cursor
from actors.errors import PositionUnrecoverable

NUMBERS = st.integers(0, 2**63 - 1)


@given(NUMBERS, NUMBERS)
def test_round_trip(epoch: int, offset: int) -> None:
    position = Position(epoch, offset)
    assert parse_cursor(position.cursor()) == position


@given(st.text() | st.from_regex(r"[0-9+\-_ .\n\u0661]{0,12}"))
@example("1.5\n")
@example("01.5")
@example("1.05")
@example("+1.5")
@example("1_0.5")
@example("١.٥")
@example("1.5.6")
@example("")
@example("99999999999999999999.1")
def test_anything_else_is_unreadable_and_nothing_else_is_raised(text: str) -> None:
    """I3: a bad cursor leads to a reset, whatever it is."""
    if re.fullmatch(r"(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18})", text, re.ASCII):
        assert parse_cursor(text).cursor() == text
        return
    with pytest.raises(PositionUnrecoverable) as caught:
        parse_cursor(text)
    assert caught.value.reason == "unreadable"


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=2))
def test_positions_are_ordered_by_life_and_then_by_place(pair: list[tuple[int, int]]) -> None:
    (first, second) = pair
    assert (Position(*first) < Position(*second)) is (first < second)
