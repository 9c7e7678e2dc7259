"""`decide` of submits: policies, keys, queues, interrupters."""

from __future__ import annotations

import pytest
from core_shell import LIMITS, queue, running, submit
from decide_rows import (
    CUT,
    NEW,
    PRIOR,
    Row,
    S,
    absent,
    busy,
    busy_with_queue,
    check,
    ended,
    full,
    full_and_interrupting,
    gone,
    idle,
    interrupting,
    only_queued,
    receipt,
    replacing,
    submitted,
    superseded_by,
)

from actors.core.commands import Cancel, OnBusy, Truncate, Truncation
from actors.core.decide import decide
from actors.core.effects import StartTurn, StopTurn
from actors.core.events import ThreadCreated, ThreadTruncated, TurnEnded, TurnStarted
from actors.core.head import Receipt
from actors.errors import Rejected

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


@pytest.mark.parametrize("name", SUBMITS)
def test_submit(name: str) -> None:
    """I2, I8; rules 8 and 9 of the protocol."""
    check(SUBMITS[name])


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
