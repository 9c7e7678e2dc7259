"""The table of a turn's life, every cell of it."""

from __future__ import annotations

import pytest

from actors.core.turn_lifecycle import ENDINGS, TRANSITIONS, TurnState, step
from actors.errors import InternalError

S = TurnState
# Written out by hand, apart from the table: what may follow what.
ALLOWED = {
    (S.QUEUED, S.RUNNING),
    (S.QUEUED, S.CANCELLED),
    (S.QUEUED, S.SUPERSEDED),
    (S.QUEUED, S.FAILED),
    (S.QUEUED, S.INTERRUPTED),
    (S.RUNNING, S.RUNNING),
    (S.RUNNING, S.COMPLETED),
    (S.RUNNING, S.CANCELLED),
    (S.RUNNING, S.FAILED),
    (S.RUNNING, S.INTERRUPTED),
    (S.RUNNING, S.SUPERSEDED),
    (S.RUNNING, S.TIMED_OUT),
}
EVERY_PAIR = [(old, new) for old in S for new in S]


@pytest.mark.parametrize(("old", "new"), EVERY_PAIR)
def test_every_transition_is_allowed_or_refused(old: TurnState, new: TurnState) -> None:
    """H6, I2: no ending has a successor, so a turn has one terminal event."""
    if (old, new) in ALLOWED:
        assert step(old, new) is new
    else:
        with pytest.raises(InternalError, match=f"from {old} to {new}"):
            step(old, new)


def test_every_state_has_a_row_and_endings_are_final() -> None:
    assert set(TRANSITIONS) == set(S)
    assert {state for state in S if not TRANSITIONS[state]} == ENDINGS


def test_a_queued_turn_can_neither_complete_nor_time_out() -> None:
    assert TRANSITIONS[S.QUEUED] & {S.COMPLETED, S.TIMED_OUT} == frozenset()
