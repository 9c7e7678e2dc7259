"""The core leaves what it is given as it was, though nothing at run time would stop it."""

from __future__ import annotations

from copy import deepcopy

from hypothesis import given

from actors.core.apply import apply, restore
from actors.core.commands import Ending as TurnEnding
from actors.core.commands import Exited, OnBusy, Recover, Say, Submit
from actors.core.decide import decide
from actors.core.event_codec import decode
from actors.core.events import TurnDelta
from actors.core.head import Head
from actors.core.step import take_step
from actors.core.turn_lifecycle import TurnState
from actors.testing.strategies import ThreadHistory, histories


@given(histories())
def test_an_event_is_applied_to_a_state_that_stays(history: ThreadHistory) -> None:
    state = restore(Head(epoch=1), [])
    for row in history.rows:
        entry = decode(row)
        before = deepcopy((state, entry))
        after = apply(state, entry)
        assert (state, entry) == before
        state = after
    assert state == history.state


@given(histories())
def test_a_command_is_decided_in_a_state_that_stays(history: ThreadHistory) -> None:
    state = history.state
    turn = state.live.turn if state.live is not None else "none"
    commands = (
        Submit(turn="new", principal="somebody", content="more", on_busy=OnBusy.QUEUE),
        Say(turn, ((TurnDelta(turn, f"{turn}.9", "word"), 1),)),
        Exited(turn, TurnEnding(TurnState.COMPLETED), start_next=True),
        Recover(retry=True, reason="restart", start_next=True),
    )
    for command in commands:
        before = deepcopy((state, command))
        step = take_step(state, decide(state, command, 2000.0), 2000.0)
        assert (state, command) == before
        assert step.state.position >= state.position
