"""`decide` as tables: a state and a command on the left, what follows on the right."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from core_shell import COMPLETED, EPOCH, LIMITS, CoreShell, queue, running, submit

from actors.core.commands import (
    Cancel,
    Command,
    Delete,
    End,
    Ending,
    Exited,
    OnBusy,
    Open,
    Recover,
    Say,
    Submit,
    Truncate,
    Truncation,
)
from actors.core.decide import Decision, decide
from actors.core.effects import (
    Answer,
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
    Submitted,
    Truncated,
)
from actors.core.events import (
    Event,
    ThreadCreated,
    ThreadDeleted,
    ThreadEnded,
    ThreadTruncated,
    TurnDelta,
    TurnEnded,
    TurnStarted,
    TurnSubmitted,
)
from actors.core.head import Cut, Receipt
from actors.core.position import Position
from actors.core.thread_state import ThreadState
from actors.core.turn_lifecycle import TurnState
from actors.errors import Rejected

S = TurnState
CUT = Cut(place=3, keep=1, items=2)


# States, by name.


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


# What follows, in short.


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


def receipt(turn: str, offset: int, *, duplicate: bool = False) -> Answer:
    return Answer(Submitted(turn, Position(EPOCH, offset), duplicate))


def settled(turn: str | None, outcome: CancelOutcome, offset: int) -> Answer:
    return Answer(Cancelled(turn, outcome, Position(EPOCH, offset)))


def gone(turn: str, state: TurnState, **more: object) -> TurnEnded:
    marker = None if state is S.COMPLETED or more.get("rolled_back") else f"{turn}.1"
    return TurnEnded(turn, state, marker, **more)  # type: ignore[arg-type]  # fields by name


CANCELLED = Ending(S.CANCELLED, reason="requested")
NEW = submit("n")
REPEATED = submit("other", key="k", content="hello")
PRIOR = Receipt("ann", "k", submit("first", key="k", content="hello").digest(), "first", 2, 1000.0)
Follows = tuple[tuple[Event, ...], tuple[Effect, ...]]
Row = tuple[Callable[[], ThreadState], Command, Follows | str]


def replacing(turn: str, on_busy: OnBusy) -> Submit:
    return submit(turn, on_busy=on_busy)


def superseded_by(turn: str, *, rolled_back: bool = False) -> Ending:
    return Ending(S.SUPERSEDED, by=turn, rolled_back=rolled_back)


SUBMITS: dict[str, Row] = {
    "the first one creates the thread": (
        absent,
        NEW,
        (
            (ThreadCreated(), submitted(NEW), TurnStarted("n", 1)),
            (receipt("n", 2), StartTurn("n")),
        ),
    ),
    "idle": (
        idle,
        NEW,
        ((submitted(NEW), TurnStarted("n", 1)), (receipt("n", 5), StartTurn("n"))),
    ),
    "idle, whatever the policy": (
        idle,
        replacing("n", OnBusy.ROLLBACK),
        ((submitted(NEW), TurnStarted("n", 1)), (receipt("n", 5), StartTurn("n"))),
    ),
    "ended: opens again in the same epoch": (
        ended,
        NEW,
        ((submitted(NEW), TurnStarted("n", 1)), (receipt("n", 6), StartTurn("n"))),
    ),
    "busy, reject": (busy, NEW, "turn_in_progress"),
    "busy, queue": (busy, queue("n"), ((submitted(NEW),), (receipt("n", 4),))),
    "busy, queue behind others": (
        busy_with_queue,
        queue("n"),
        ((submitted(NEW),), (receipt("n", 6),)),
    ),
    "queue full": (full, queue("n"), "queue_full"),
    "queue full, interrupt": (full, replacing("n", OnBusy.INTERRUPT), "queue_full"),
    "queue full, but the new one takes a place": (
        full_and_interrupting,
        replacing("n", OnBusy.INTERRUPT),
        (
            (gone("i1", S.SUPERSEDED, by="n"), submitted(NEW, "a")),
            (receipt("n", 8), StopTurn("a", superseded_by("n"))),
        ),
    ),
    "busy, interrupt": (
        busy,
        replacing("n", OnBusy.INTERRUPT),
        ((submitted(NEW, "a"),), (receipt("n", 4), StopTurn("a", superseded_by("n")))),
    ),
    "busy, rollback": (
        busy,
        replacing("n", OnBusy.ROLLBACK),
        (
            (submitted(NEW, "a"),),
            (receipt("n", 4), StopTurn("a", superseded_by("n", rolled_back=True))),
        ),
    ),
    "a second interrupter supersedes the one that waits": (
        interrupting,
        replacing("n", OnBusy.INTERRUPT),
        (
            (gone("i1", S.SUPERSEDED, by="n"), submitted(NEW, "a")),
            (receipt("n", 7), StopTurn("a", superseded_by("n"))),
        ),
    ),
    "an ordinary queued turn is not superseded": (
        busy_with_queue,
        replacing("n", OnBusy.INTERRUPT),
        ((submitted(NEW, "a"),), (receipt("n", 6), StopTurn("a", superseded_by("n")))),
    ),
    "only queued: takes its place behind": (
        only_queued,
        NEW,
        ((submitted(NEW),), (receipt("n", 7),)),
    ),
    "a repeated key": (
        busy,
        submit("other", key="k", content="hello", prior=PRIOR),
        ((), (receipt("first", 2, duplicate=True),)),
    ),
    "a repeated key under another policy is the same body": (
        busy,
        submit("other", key="k", content="hello", prior=PRIOR, on_busy=OnBusy.INTERRUPT),
        ((), (receipt("first", 2, duplicate=True),)),
    ),
    "a repeated key with another body": (
        busy,
        submit("other", key="k", content="hallo", prior=PRIOR),
        "idempotency_conflict",
    ),
    "a repeated key with other metadata": (
        idle,
        submit("other", key="k", content="hello", metadata={"a": 1}, prior=PRIOR),
        "idempotency_conflict",
    ),
    "a repeated key of a command that truncated as well": (
        idle,
        submit("other", key="k", content="hello", truncate=Truncation(None), prior=PRIOR),
        "idempotency_conflict",
    ),
    "a key that a record took": (
        idle,
        submit("other", key="k", prior=Receipt("ann", "k", "?", None, 3, 0.0)),
        "idempotency_conflict",
    ),
    "truncate and submit": (
        idle,
        submit("n", truncate=Truncation("a.0"), cut=CUT),
        (
            (ThreadTruncated("a.0", 2), submitted(NEW), TurnStarted("n", 1)),
            (receipt("n", 6), StartTurn("n")),
        ),
    ),
    "truncate and submit while a turn runs, whatever the policy": (
        busy,
        submit("n", truncate=Truncation(None), on_busy=OnBusy.INTERRUPT),
        "turn_in_progress",
    ),
    "truncate and submit while a turn waits": (
        only_queued,
        submit("n", truncate=Truncation(None), cut=CUT),
        "turn_in_progress",
    ),
    "truncate after an item of nothing": (
        absent,
        submit("n", truncate=Truncation("x.1")),
        "item_not_found",
    ),
    "clear nothing, and submit": (
        absent,
        submit("n", truncate=Truncation(None)),
        (
            (ThreadCreated(), submitted(NEW), TurnStarted("n", 1)),
            (receipt("n", 2), StartTurn("n")),
        ),
    ),
}

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
    return (Answer(Closed(existed=True)), CloseThread(reason))


def waits(reason: str) -> tuple[Effect, ...]:
    return (StopTurn("a", Ending(S.CANCELLED, reason=reason)), DecideAgain("a"))


NOTHING: Follows = ((), (Answer(Closed(existed=False)),))

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
        ((ThreadTruncated("a.0", 2),), (Answer(Truncated(Position(EPOCH, 5))),)),
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


@pytest.mark.parametrize("name", SUBMITS)
def test_submit(name: str) -> None:
    """I2, I8; rules 8 and 9 of the protocol."""
    check(SUBMITS[name])


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


def test_a_key_is_taken_with_its_digest_turn_and_place() -> None:
    """I8: what a retry needs to be told from another command."""
    command = submit("n", key="k")
    decision = decide(idle(), command, 2000.0, LIMITS)
    assert decision.receipts == (Receipt("ann", "k", command.digest(), "n", 5, 2000.0),)
    assert decide(idle(), submit("n"), 2000.0, LIMITS).receipts == ()


def test_a_refused_command_takes_no_key() -> None:
    """I8: a key binds when its command is accepted."""
    with pytest.raises(Rejected):
        decide(busy(), submit("n", key="k"), 0.0, LIMITS)


def test_a_truncation_hands_on_its_cut() -> None:
    command = submit("n", truncate=Truncation("a.0"), cut=CUT)
    assert decide(idle(), command, 0.0, LIMITS).cut == CUT
    assert decide(idle(), Truncate(truncate=Truncation("a.0"), cut=CUT), 0.0).cut == CUT


@pytest.mark.parametrize("state", [busy, only_queued])
def test_what_is_in_progress_is_named(state: Callable[[], ThreadState]) -> None:
    with pytest.raises(Rejected) as caught:
        decide(state(), Truncate(truncate=Truncation(None), cut=CUT), 0.0, LIMITS)
    assert caught.value.details["turn"] in ("a", "q1")


def test_digest_is_all_but_the_policy_and_the_ids() -> None:
    """I8: the same body, whatever the retry's own turn id and policy."""
    one = submit("x", key="k", content="hi", metadata={"b": 1, "a": 2})
    same = submit("y", key="j", content="hi", metadata={"a": 2, "b": 1}, on_busy=OnBusy.QUEUE)
    assert one.digest() == same.digest()
    others = [
        submit("x", content="ho"),
        submit("x", content="hi"),
        submit("x", content="hi", metadata={"a": 2, "b": 1}, attachments=[]),
        submit("x", content="hi", metadata={"a": 2, "b": 1}, truncate=Truncation(None)),
        submit("x", content="hi", metadata={"a": 2, "b": 1}, truncate=Truncation("a.1")),
    ]
    assert len({other.digest() for other in [one, *others]}) == 6


def test_interrupters_in_a_row_leave_the_queue_in_its_order() -> None:
    """Rule 9: only the last interrupter runs; those that waited keep their order behind it."""
    shell = running(queue("q1"), queue("q2"))
    for turn in ("i1", "i2"):
        shell.do(replacing(turn, OnBusy.INTERRUPT))
        shell.check()
    assert [each.turn for each in shell.state.queue] == ["i2", "q1", "q2"]
    ran = []
    while shell.state.live is not None:
        ran.append(shell.state.live.turn)
        shell.exits()
        shell.check()
    assert ran == ["a", "i2", "q1", "q2"]
    ends = {e.event.turn: e.event for e in shell.entries if isinstance(e.event, TurnEnded)}
    assert ends["a"] == gone("a", S.SUPERSEDED, by="i1")  # the first ending decided wins
    assert ends["i1"] == gone("i1", S.SUPERSEDED, by="i2")


def test_an_interrupter_can_be_cancelled_while_it_waits() -> None:
    """The turn that it stopped stays stopped; the queue goes on."""
    shell = running(queue("q1"), replacing("i1", OnBusy.INTERRUPT))
    shell.do(Cancel(turn="i1"))
    shell.exits()
    assert shell.state.live is not None
    assert shell.state.live.turn == "q1"


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
    assert made == Decision(((ThreadCreated(), 1),), (Answer(Opened(existed=False)),))
    for state in (idle(), busy()):
        assert decide(state, Open(), 0.0, LIMITS) == Decision((), (Answer(Opened(existed=True)),))
    with pytest.raises(Rejected, match="unsupported"):
        decide(ended(), Open(), 0.0, LIMITS)
