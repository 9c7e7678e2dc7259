"""`decide` as tables: a state and a command on the left, what follows on the right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from core_shell import COMPLETED, EPOCH, LIMITS, queue, running, submit
from decide_rows import (
    CUT,
    Follows,
    Row,
    S,
    absent,
    busy,
    busy_with_queue,
    check,
    ended,
    gone,
    idle,
    interrupting,
    only_queued,
    superseded_by,
    third_attempt,
)

from actors.core.commands import (
    Cancel,
    Delete,
    End,
    Ending,
    Exited,
    Open,
    Recover,
    Say,
    Truncate,
    Truncation,
)
from actors.core.decide import Decision, decide
from actors.core.effects import (
    AnswerNow,
    AnswerWhenEnded,
    Cancelled,
    CancelOutcome,
    Closed,
    CloseThread,
    DecideAgain,
    Effect,
    Opened,
    StartTurn,
    StopTurn,
    Truncated,
)
from actors.core.events import (
    ThreadCreated,
    ThreadDeleted,
    ThreadEnded,
    ThreadTruncated,
    TurnDelta,
    TurnEnded,
    TurnStarted,
)
from actors.core.position import Position
from actors.core.thread_state import ThreadState
from actors.errors import Rejected


def settled(turn: str | None, outcome: CancelOutcome, offset: int) -> AnswerNow:
    return AnswerNow(Cancelled(turn, outcome, Position(EPOCH, offset)))


CANCELLED = Ending(S.CANCELLED, reason="requested")
REPEATED = submit("other", key="k", content="hello")


CANCELS: dict[str, Row] = {
    "no thread": (absent, Cancel(turn="a"), "thread_not_found"),
    "the live one by name": (
        busy,
        Cancel(turn="a"),
        ((), (StopTurn("a", CANCELLED), AnswerWhenEnded("a"))),
    ),
    "the live one, unnamed": (
        busy,
        Cancel(),
        ((), (StopTurn("a", CANCELLED), AnswerWhenEnded("a"))),
    ),
    "with rollback": (
        busy,
        Cancel(rollback=True),
        (
            (),
            (
                StopTurn("a", Ending(S.CANCELLED, reason="requested", rolled_back=True)),
                AnswerWhenEnded("a"),
            ),
        ),
    ),
    "unnamed, and nothing runs": (
        idle,
        Cancel(),
        ((), (settled(None, CancelOutcome.NOTHING_RUNNING, 4),)),
    ),
    "unnamed, and turns only wait": (
        only_queued,
        Cancel(),
        ((), (settled(None, CancelOutcome.NOTHING_RUNNING, 6),)),
    ),
    "a queued one, which never starts": (
        busy_with_queue,
        Cancel(turn="q1"),
        (
            (gone("q1", S.CANCELLED, reason="requested"),),
            (settled("q1", CancelOutcome.CANCELLED, 6),),
        ),
    ),
    "a queued one, with rollback": (
        busy_with_queue,
        Cancel(turn="q2", rollback=True),
        (
            (gone("q2", S.CANCELLED, reason="requested", rolled_back=True),),
            (settled("q2", CancelOutcome.CANCELLED, 6),),
        ),
    ),
    "one that ended": (
        idle,
        Cancel(turn="a", settled=True),
        ((), (settled("a", CancelOutcome.ALREADY_ENDED, 4),)),
    ),
    "one that ended, while the next one runs": (
        busy,
        Cancel(turn="before", settled=True),
        ((), (settled("before", CancelOutcome.ALREADY_ENDED, 3),)),
    ),
    "one that never was": (busy, Cancel(turn="ghost"), "turn_not_found"),
    "one that never was, idle": (idle, Cancel(turn="ghost"), "turn_not_found"),
    "of an ended thread": (
        ended,
        Cancel(),
        ((), (settled(None, CancelOutcome.NOTHING_RUNNING, 5),)),
    ),
}


def closes(reason: str) -> tuple[Effect, ...]:
    return (AnswerNow(Closed(existed=True)), CloseThread(reason))


def waits(reason: str) -> tuple[Effect, ...]:
    return (StopTurn("a", Ending(S.CANCELLED, reason=reason)), DecideAgain("a"))


NOTHING: Follows = ((), (AnswerNow(Closed(existed=False)),))

CLOSES: dict[str, Row] = {
    "end, absent": (absent, End(), NOTHING),
    "end, ended": (ended, End(), NOTHING),
    "end, idle": (idle, End(), ((ThreadEnded(),), closes("ended"))),
    "end, busy: stop, and decide again": (busy, End(), ((), waits("ended"))),
    "end, queued ones go at once": (
        busy_with_queue,
        End(),
        (
            (gone("q1", S.CANCELLED, reason="ended"), gone("q2", S.CANCELLED, reason="ended")),
            waits("ended"),
        ),
    ),
    "end, only queued": (
        only_queued,
        End(),
        (
            (
                gone("q1", S.CANCELLED, reason="ended"),
                gone("q2", S.CANCELLED, reason="ended"),
                ThreadEnded(),
            ),
            closes("ended"),
        ),
    ),
    "delete, absent": (absent, Delete(), NOTHING),
    "delete, idle": (idle, Delete(), ((ThreadDeleted(),), closes("deleted"))),
    "delete, ended": (ended, Delete(), ((ThreadDeleted(),), closes("deleted"))),
    "delete, busy: stop, and decide again": (busy, Delete(), ((), waits("deleted"))),
    "delete, only queued: no turn is left without an ending": (
        only_queued,
        Delete(),
        (
            (
                gone("q1", S.CANCELLED, reason="deleted"),
                gone("q2", S.CANCELLED, reason="deleted"),
                ThreadDeleted(),
            ),
            closes("deleted"),
        ),
    ),
    "truncate, absent": (
        absent,
        Truncate(truncate=Truncation(None), cut=CUT),
        "thread_not_found",
    ),
    "truncate, busy": (busy, Truncate(truncate=Truncation(None), cut=CUT), "turn_in_progress"),
    "truncate, only queued": (
        only_queued,
        Truncate(truncate=Truncation(None), cut=CUT),
        "turn_in_progress",
    ),
    "truncate, idle": (
        idle,
        Truncate(truncate=Truncation("a.0"), cut=CUT),
        ((ThreadTruncated("a.0", 2),), (AnswerNow(Truncated(Position(EPOCH, 5))),)),
    ),
}

PIECE = (TurnDelta("a", "a.1", "hi"), 2)

INWARD: dict[str, Row] = {
    "say": (busy, Say("a", (PIECE,)), ((PIECE[0],), ())),
    "say, of a turn that is not live (I7)": (busy, Say("b", (PIECE,)), ((), ())),
    "say, idle (I7)": (idle, Say("a", (PIECE,)), ((), ())),
    "exited": (busy, Exited("a", COMPLETED), ((gone("a", S.COMPLETED),), ())),
    "exited, of another turn (I2)": (busy, Exited("b", COMPLETED), ((), ())),
    "exited twice (I2)": (idle, Exited("a", COMPLETED), ((), ())),
    "exited, the next one starts": (
        busy_with_queue,
        Exited("a", CANCELLED),
        (
            (gone("a", S.CANCELLED, reason="requested"), TurnStarted("q1", 1)),
            (StartTurn("q1"),),
        ),
    ),
    "exited, draining": (
        busy_with_queue,
        Exited("a", COMPLETED, start_next=False),
        ((gone("a", S.COMPLETED),), ()),
    ),
    "exited, the interrupter comes before the queue": (
        interrupting,
        Exited("a", superseded_by("i1")),
        (
            (gone("a", S.SUPERSEDED, by="i1"), TurnStarted("i1", 1)),
            (StartTurn("i1"),),
        ),
    ),
    "exited, abandoned": (
        busy,
        Exited("a", Ending(S.CANCELLED, reason="requested", abandoned=True), start_next=False),
        ((gone("a", S.CANCELLED, reason="requested", abandoned=True),), ()),
    ),
    "exited, failed": (
        busy,
        Exited("a", Ending(S.FAILED, error="overloaded", message="try later")),
        ((gone("a", S.FAILED, error="overloaded", message="try later"),), ()),
    ),
    "exited, rolled back: no marker": (
        busy,
        Exited("a", superseded_by("n", rolled_back=True)),
        ((gone("a", S.SUPERSEDED, by="n", rolled_back=True),), ()),
    ),
    "recover, absent": (absent, Recover(), ((), ())),
    "recover, idle": (idle, Recover(), ((), ())),
    "recover, an open turn": (
        busy,
        Recover(),
        ((gone("a", S.INTERRUPTED, reason="restart"),), ()),
    ),
    "recover, an open turn and a queue": (
        busy_with_queue,
        Recover(reason="actor_failed"),
        (
            (gone("a", S.INTERRUPTED, reason="actor_failed"), TurnStarted("q1", 1)),
            (StartTurn("q1"),),
        ),
    ),
    "recover, only queued (I9)": (
        only_queued,
        Recover(),
        ((TurnStarted("q1", 1),), (StartTurn("q1"),)),
    ),
    "recover, only queued, draining": (only_queued, Recover(start_next=False), ((), ())),
    "recover, retry": (
        busy_with_queue,
        Recover(retry=True),
        ((TurnStarted("a", 2),), (StartTurn("a"),)),
    ),
    "recover, retry, but it was tried often enough": (
        third_attempt,
        Recover(retry=True),
        ((gone("a", S.INTERRUPTED, reason="restart"),), ()),
    ),
}


@pytest.mark.parametrize("name", CANCELS)
def test_cancel(name: str) -> None:
    """I6: a cancel reaches the turn that it names, or says truthfully that there is nothing."""
    check(CANCELS[name])


@pytest.mark.parametrize("name", CLOSES)
def test_end_delete_and_truncate(name: str) -> None:
    """I13; rules 10 and 11 of the protocol."""
    check(CLOSES[name])


@pytest.mark.parametrize("name", INWARD)
def test_what_the_thread_asks_of_itself(name: str) -> None:
    """I2, I7, I9."""
    check(INWARD[name])


def test_widths_are_those_of_the_pieces() -> None:
    """I3: a range covers as many offsets as writes went into it."""
    decision = decide(busy(), Say("a", (PIECE,)), 0.0, LIMITS)
    assert [width for _, width in decision.events] == [2]


@pytest.mark.parametrize("state", [busy, only_queued])
def test_what_is_in_progress_is_named(state: Callable[[], ThreadState]) -> None:
    with pytest.raises(Rejected) as caught:
        decide(state(), Truncate(truncate=Truncation(None), cut=CUT), 0.0, LIMITS)
    assert caught.value.details["turn"] in ("a", "q1")


@pytest.mark.parametrize("command", [End(), Delete()])
def test_end_and_delete_take_two_steps_while_a_turn_runs(command: End | Delete) -> None:
    """I2: every turn has its ending before the thread has its own."""
    shell = running(queue("q1"))
    shell.do(command)
    assert shell.held == command
    assert shell.state.queue == ()
    shell.exits()
    assert shell.held is None
    if isinstance(command, End):
        kinds = [type(entry.event) for entry in shell.entries[-3:]]
        assert kinds == [TurnEnded, TurnEnded, ThreadEnded]
    else:
        assert shell.state == ThreadState(epoch=EPOCH + 1)


def test_opening_makes_what_is_not_there_and_nothing_else() -> None:
    """Not there: created; there: nothing; ended: refused, for it has to be said what opens it."""
    made = decide(absent(), Open(), 0.0, LIMITS)
    assert made == Decision(((ThreadCreated(), 1),), (AnswerNow(Opened(existed=False)),))
    for state in (idle(), busy()):
        assert decide(state, Open(), 0.0, LIMITS) == Decision(
            (), (AnswerNow(Opened(existed=True)),)
        )
    with pytest.raises(Rejected, match="unsupported"):
        decide(ended(), Open(), 0.0, LIMITS)
