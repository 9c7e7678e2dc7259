"""Rule 9: interrupt, rollback and cancel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ..check import Group, Need, has, holds, same
from ..stream import endings_of, is_ending, offset_of, said

if TYPE_CHECKING:
    from ..case import Case
    from ..peer import Peer

GROUP = Group([])
check = GROUP.check


@check("9", Need.HOLD)
async def a_busy_thread_says_so(case: Case) -> None:
    """A submit that finds a turn is refused, and told which."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    turn = await case.held(peer, thread)
    busy = await peer.refusal("turn_in_progress", "submit", thread=thread, content="hello")
    has(busy, turn=turn, retryable=True)
    await peer.done("cancel", thread=thread)


@check("9", Need.HOLD)
async def interrupt_goes_first(case: Case) -> None:
    """Interrupt ends the running turn, goes first, and the queue stays behind.

    Two in a row: the second takes the place of the first, which still waits for the exit.
    """
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    first = await case.held(peer, thread, 0.1)
    waiting = (await peer.submit(thread, "waiting", on_busy="queue"))["turn"]
    overtaken = (await peer.submit(thread, "overtaken", on_busy="interrupt"))["turn"]
    second = (await peer.submit(thread, "now", on_busy="interrupt"))["turn"]
    await peer.ending(thread, waiting)
    events = peer.events(thread)
    started = [e["turn"] for e in events if e["type"] == "turn.started"]
    same("the order of starting", started, [first, second, waiting])
    endings = {e["turn"]: e for e in events if is_ending(e)}
    same("one ending each", len(endings_of(events)), 4)
    has(endings[first], type="turn.superseded", by=overtaken)
    has(endings[overtaken], type="turn.superseded", by=second)
    holds("rolled_back" not in endings[first], "what was said to stay", endings[first])
    items = (await peer.done("history", thread=thread))["items"]
    kept = [(i["kind"], i.get("content") or i.get("text") or i.get("reason")) for i in items]
    expected = [("message", "hold 0.1"), ("answer", "0 1 2 "), ("marker", "superseded")]
    same("what stays of the first", kept[:3], expected)


@check("9", Need.HOLD, Need.CONTEXT)
async def interrupted_text_is_context(case: Case) -> None:
    """Partial answers are in the next turn's context."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.held(peer, thread)
    waiting = (await peer.submit(thread, "context waiting", on_busy="queue"))["turn"]
    now = (await peer.submit(thread, "context now", on_busy="interrupt"))["turn"]
    await peer.ending(thread, waiting)
    before = [("user", "hold 0"), ("assistant", "0 1 2 ")]
    told = told_to(peer, thread, now)
    same("what comes first", told[:2], before)
    same("what comes last", told[-1], ("user", "context now"))
    holds("context waiting" not in str(told), "no message that waits", told)
    same(
        "the last for the one that waited", told_to(peer, thread, waiting)[-1][1], "context waiting"
    )


@check("9", Need.HOLD)
async def rollback_takes_out(case: Case) -> None:
    """Rollback takes the turn out of history, and its offsets stay."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    kept = (await case.finished(peer, thread, "hello"))["turn"]
    first = await case.held(peer, thread)
    second = (await peer.submit(thread, "instead", on_busy="rollback"))["turn"]
    await peer.ending(thread, second)
    ending = await peer.ending(thread, first)
    has(ending, type="turn.superseded", by=second, rolled_back=True)
    holds("item" not in ending, "no marker", ending)
    items = (await peer.done("history", thread=thread))["items"]
    same("whose items stay", {item["turn"] for item in items}, {kept, second})
    # By cancel as well.
    third = await case.held(peer, thread)
    has(await peer.done("cancel", thread=thread, turn=third, mode="rollback"), outcome="cancelled")
    has(await peer.ending(thread, third), rolled_back=True)
    same("the history", (await peer.done("history", thread=thread))["items"], items)


@check("9", Need.HOLD, Need.CONTEXT)
async def rolled_back_text_is_no_context(case: Case) -> None:
    """A rolled back turn is in nobody's context."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.held(peer, thread)
    second = (await peer.submit(thread, "context", on_busy="rollback"))["turn"]
    await peer.ending(thread, second)
    same("the context", told_to(peer, thread, second), [("user", "context")])


@check("9", Need.HOLD)
async def a_queued_turn_is_cancelled(case: Case) -> None:
    """A queued turn is cancelled without ever starting."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    running = await case.held(peer, thread)
    queued = [(await peer.submit(thread, f"q{n}", on_busy="queue"))["turn"] for n in range(3)]
    reply = await peer.done("cancel", thread=thread, turn=queued[1])
    has(reply, turn=queued[1], outcome="cancelled")
    again = await peer.done("cancel", thread=thread, turn=queued[1])
    has(again, turn=queued[1], outcome="already_ended")
    has(await peer.done("cancel", thread=thread), turn=running, outcome="cancelled")
    await peer.ending(thread, queued[2])
    started = [e["turn"] for e in peer.events(thread) if e["type"] == "turn.started"]
    same("the order of starting", started, [running, queued[0], queued[2]])
    same(
        "endings of the cancelled one",
        [t for _, t in endings_of(peer.events(thread))].count(queued[1]),
        1,
    )


@check("9", Need.HOLD)
async def a_late_cancel_is_late(case: Case) -> None:
    """A late cancel does not touch the next turn."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    first = (await case.finished(peer, thread, "hello"))["turn"]
    second = await case.held(peer, thread)
    for mode in ("keep", "rollback"):
        reply = await peer.done("cancel", thread=thread, turn=first, mode=mode)
        has(reply, turn=first, outcome="already_ended")
    await peer.settle()
    same("what has ended", endings_of(peer.events(thread)), [("turn.completed", first)])
    has(await peer.done("cancel", thread=thread), turn=second, outcome="cancelled")


@check("9", Need.HOLD)
async def repeated_cancels_add_nothing(case: Case) -> None:
    """Repeated cancels add nothing: one ending, and one place."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await peer.attach(thread)
    turn = await case.held(peer, thread, 0.2)
    labels = [
        (each, await each.post("cancel", thread=thread, **fields))
        for each in (peer, other)
        for fields in ({"turn": turn}, {}, {"turn": turn, "mode": "rollback"})
    ]
    replies = [await each.answer(label) for each, label in labels]
    outcomes = {(r.get("turn"), r.get("outcome")) for r in replies}
    same("the outcomes", outcomes, {(turn, "cancelled")})
    same("one place", len({r["cursor"] for r in replies}), 1)
    late = await other.done("cancel", thread=thread, turn=turn)
    has(late, outcome="already_ended", cursor=replies[0]["cursor"])
    await peer.ending(thread, turn)
    await peer.settle()
    same("the endings", endings_of(peer.events(thread)), [("turn.cancelled", turn)])
    # The first ending decided has won, and it did not roll back.
    ending = peer.events(thread)[-1]
    holds("rolled_back" not in ending, "what was said to stay", ending)
    same("the place of the end", ending["offset"], offset_of(replies[0]["cursor"]))


@check("9")
async def nothing_runs(case: Case) -> None:
    """A cancel without a turn where nothing runs says so."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    turn = (await case.finished(peer, thread, "hello"))["turn"]
    ending = await peer.ending(thread, turn)
    for _ in range(2):
        reply = await peer.done("cancel", thread=thread)
        has(reply, turn=None, outcome="nothing_running")
        same("the head", offset_of(reply["cursor"]), ending["offset"])
    later = (await case.finished(peer, thread, "hello"))["turn"]
    has(await peer.ending(thread, later), type="turn.completed")


@check("9", Need.HOLD)
async def a_cut_cancels_nothing(case: Case) -> None:
    """A connection that is cut takes no turn with it."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await other.attach(thread)
    turn = (await peer.submit(thread, "hold"))["turn"]
    await other.until_said(thread, turn, "2 ")
    peer.cut()
    await other.settle()
    reply = await other.done("cancel", thread=thread)
    has(reply, turn=turn, outcome="cancelled")
    same(
        "the endings",
        endings_of(other.events(thread)) or [("turn.cancelled", turn)],
        [("turn.cancelled", turn)],
    )


def told_to(peer: Peer, thread: str, turn: str) -> list[tuple[str, Any]]:
    """Return what a `context` turn was given, as (role, text)."""
    messages = json.loads(said(peer.events(thread), turn))
    return [(message["role"], message["content"]) for message in messages]
