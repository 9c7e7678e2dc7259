"""Rules 4 and 6: when a turn is over, and in which order commands are decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..check import Group, Need, has, same
from ..stream import kinds_of

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check


@check("4")
async def the_end_is_the_end(case: Case) -> None:
    """A submit sent on seeing the end never meets that turn."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await peer.attach(thread)
    for number in range(10):
        asking = (peer, other)[number % 2]
        receipt = await asking.submit(thread, "hello")
        await peer.ending(thread, receipt["turn"])


@check("4", Need.LINGER)
async def the_end_waits_for_the_handler(case: Case) -> None:
    """Also where the handler takes a moment to leave."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await peer.attach(thread)
    for number in range(6):
        asking = (peer, other)[number % 2]
        receipt = await asking.submit(thread, "linger")
        await peer.ending(thread, receipt["turn"])


@check("4", Need.HOLD)
async def a_cancel_is_answered_when_settled(case: Case) -> None:
    """A cancel is answered once the handler has left, and the end is its place.

    Nor is the turn seen to end before; whoever reads after the reply finds it settled.
    """
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await peer.attach(thread)
    turn = await case.held(peer, thread, LEAVING)
    began = trio.current_time()
    reply = await other.done("cancel", thread=thread, turn=turn)
    took = trio.current_time() - began
    has(reply, turn=turn, outcome="cancelled")
    if took < LEAVING - _EARLY:
        same(f"the handler leaves in {LEAVING} s; the reply after", f"{took:.3f} s", "no sooner")
    items = (await other.done("history", thread=thread))["items"]
    same("what is settled", [i["kind"] for i in items], ["message", "answer", "marker"])
    ending = await peer.ending(thread, turn)
    has(ending, type="turn.cancelled", reason="requested")
    same("the reply's place", int(reply["cursor"].partition(".")[2]), ending["offset"])


LEAVING = 0.4
# What clocks of two processes may differ by.
_EARLY = 0.02


@check("6")
async def submits_keep_their_order(case: Case) -> None:
    """Queued submits are decided, started and ended in the order sent."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    texts = [f"hello {number}" for number in range(20)]
    labels = [
        await peer.post("submit", thread=thread, content=text, on_busy="queue") for text in texts
    ]
    turns = [(await peer.answer(label))["turn"] for label in labels]
    await peer.ending(thread, turns[-1])
    for type in ("turn.submitted", "turn.started", "turn.completed"):
        came = [e["turn"] for e in peer.events(thread) if e["type"] == type]
        same(f"the order of {type}", came, turns)
    asked = [e["content"] for e in peer.events(thread) if e["type"] == "turn.submitted"]
    same("what was asked", asked, texts)


@check("6", Need.HOLD)
async def commands_keep_their_order(case: Case) -> None:
    """A submit, its cancel, the end and a submit, sent at once."""
    peer, thread = await case.connect(), case.thread()
    cursor = (await peer.attach(thread))["cursor"]
    since = len(peer.heard)
    sent = [
        await peer.post("submit", thread=thread, content="hold"),
        await peer.post("cancel", thread=thread),
        await peer.post("end", thread=thread),
        await peer.post("submit", thread=thread, content="hello"),
    ]
    first, cancelled, ended, last = [await peer.answer(label) for label in sent]
    has(cancelled, type="reply", turn=first["turn"], outcome="cancelled")
    has(ended, type="reply", existed=True)
    same("the answers", {m["id"] for m in peer.heard[since:] if "id" in m}, set(sent))
    since = len(peer.heard)
    await peer.attach(thread, cursor=cursor)
    await peer.until(
        lambda _: "turn.completed" in kinds_of(peer.events(thread, since)), "turn.completed"
    )
    told = [
        (event["type"], event.get("turn"))
        for event in peer.events(thread, since)
        if event["type"] not in ("thread.created", "turn.started", "turn.delta")
    ]
    expected = [
        ("turn.submitted", first["turn"]),
        ("turn.cancelled", first["turn"]),
        ("thread.ended", None),
        ("turn.submitted", last["turn"]),
        ("turn.completed", last["turn"]),
    ]
    same("the log", told, expected)
