"""What the tables of `decide` are written in: states by name, and what follows in short."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from core_shell import EPOCH, LIMITS, CoreShell, queue, running, submit

from actors.core.commands import Command, End, Ending, OnBusy, Recover, Submit
from actors.core.decide import Decision, decide
from actors.core.effects import AnswerNow, Effect, Submitted
from actors.core.events import Event, TurnEnded, TurnSubmitted
from actors.core.head import Cut, Receipt
from actors.core.position import Position
from actors.core.thread_state import ThreadState
from actors.core.turn_lifecycle import TurnState
from actors.errors import Rejected

S = TurnState
CUT = Cut(place=3, keep=1, items=2)


def absent() -> ThreadState:
    return CoreShell().state


def idle() -> ThreadState:
    shell = running()
    shell.exits()
    return shell.state


def busy() -> ThreadState:
    """Turn `a` runs: created 1, submitted 2, started 3."""
    return running().state


def busy_with_queue() -> ThreadState:
    """Turn `a` runs, `q1` and `q2` wait: offset 5."""
    return running(queue("q1"), queue("q2")).state


def full() -> ThreadState:
    return running(*(queue(f"q{n}") for n in range(LIMITS.queued_turns))).state


def interrupting() -> ThreadState:
    """Turn `a` runs, `q1` waits, and `i1` waits in front of it to take the place of `a`."""
    return running(queue("q1"), submit("i1", on_busy=OnBusy.INTERRUPT)).state


def full_and_interrupting() -> ThreadState:
    waiting = [queue(f"q{n}") for n in range(LIMITS.queued_turns - 1)]
    return running(*waiting, submit("i1", on_busy=OnBusy.INTERRUPT)).state


def only_queued() -> ThreadState:
    """What a drain leaves: nothing runs, `q1` and `q2` wait."""
    shell = running(queue("q1"), queue("q2"))
    shell.exits(Ending(S.INTERRUPTED, reason="shutdown"), start_next=False)
    return shell.state


def ended() -> ThreadState:
    shell = running()
    shell.exits()
    shell.do(End())
    return shell.state


def third_attempt() -> ThreadState:
    shell = running()
    for _ in range(LIMITS.turn_attempts - 1):
        shell.do(Recover(retry=True))
    return shell.state


def submitted(command: Submit, supersedes: str | None = None) -> TurnSubmitted:
    return TurnSubmitted(
        command.turn,
        f"{command.turn}.0",
        command.content,
        command.principal,
        command.key,
        command.metadata,
        command.attachments,
        supersedes,
    )


def receipt(turn: str, offset: int, *, duplicate: bool = False) -> AnswerNow:
    return AnswerNow(Submitted(turn, Position(EPOCH, offset), duplicate))


def gone(turn: str, state: TurnState, **more: object) -> TurnEnded:
    marker = None if state is S.COMPLETED or more.get("rolled_back") else f"{turn}.1"
    return TurnEnded(turn, state, marker, **more)  # type: ignore[arg-type]  # fields by name


NEW = submit("n")
PRIOR = Receipt("ann", "k", submit("first", key="k", content="hello").digest(), "first", 2, 1000.0)
Follows = tuple[tuple[Event, ...], tuple[Effect, ...]]
Row = tuple[Callable[[], ThreadState], Command, Follows | str]


def replacing(turn: str, on_busy: OnBusy) -> Submit:
    return submit(turn, on_busy=on_busy)


def superseded_by(turn: str, *, rolled_back: bool = False) -> Ending:
    return Ending(S.SUPERSEDED, by=turn, rolled_back=rolled_back)


def check(row: Row) -> Decision | None:
    state, command, follows = row
    if isinstance(follows, str):
        with pytest.raises(Rejected) as caught:
            decide(state(), command, 2000.0, LIMITS)
        assert caught.value.code == follows
        return None
    decision = decide(state(), command, 2000.0, LIMITS)
    assert tuple(event for event, _ in decision.events) == follows[0]
    assert decision.effects == follows[1]
    return decision
