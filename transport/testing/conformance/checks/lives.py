"""Rules 7 and 11: deleting a thread, and ending one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..check import Group, Need, has, holds, same
from ..stream import contiguous, endings_of, epoch_of, kinds_of, last_of, offset_of
from .endings import told_to

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check


@check("7")
async def a_deletion_ends_an_epoch(case: Case) -> None:
    """A deletion detaches, and a cursor from before it is reset as deleted."""
    peer, thread = await case.connect(), case.thread()
    first = (await peer.attach(thread))["cursor"]
    never = (await peer.attach(case.thread("never")))["cursor"]
    same("one first epoch for all", never, first)
    turn = (await case.finished(peer, thread, "hello"))["turn"]
    has(await peer.done("delete", thread=thread), existed=True)
    detached = await peer.until(lambda m: m["type"] == "detached", "detached")
    has(detached, thread=thread, reason="deleted")
    same("the last event", peer.events(thread)[-1]["type"], "thread.deleted")
    has(await peer.done("delete", thread=thread), existed=False)
    await peer.refusal("thread_not_found", "cancel", thread=thread, turn=turn)
    await peer.refusal("thread_not_found", "history", thread=thread)
    for cursor in (first, detached["cursor"]):
        since = len(peer.heard)
        attached = await peer.attach(thread, cursor=cursor)
        has(attached, mode="reset", reason="deleted")
        holds(epoch_of(attached["cursor"]) != epoch_of(first), "another epoch", attached)
        has(peer.snapshot(thread, since), items=[], turn=None, queue=[])


@check("7")
async def the_next_life_is_empty(case: Case) -> None:
    """The next life of a deleted thread has an epoch of its own, and nothing of the last."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    old = await case.finished(peer, thread, "hello", key="k")
    await peer.done("delete", thread=thread)
    await peer.until(lambda m: m["type"] == "detached", "detached")
    since = len(peer.heard)
    attached = await peer.attach(thread)
    has(peer.snapshot(thread, since), items=[], turn=None, queue=[])
    receipt = await case.finished(peer, thread, "again", key="k")
    holds(receipt["turn"] != old["turn"], "another turn than the old life's", receipt)
    contiguous(peer.events(thread, since), 1)
    same("the epoch", epoch_of(receipt["cursor"]), epoch_of(attached["cursor"]))
    items = (await peer.done("history", thread=thread))["items"]
    same("whose items are there", {item["turn"] for item in items}, {receipt["turn"]})


@check("7", Need.HOLD, Need.CONTEXT)
async def a_deletion_cancels(case: Case) -> None:
    """A deletion cancels what runs, and context begins anew."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.held(peer, thread)
    has(await peer.done("delete", thread=thread), existed=True)
    await peer.until(lambda m: m["type"] == "detached", "detached")
    same("the end", kinds_of(peer.events(thread))[-2:], ["turn.cancelled", "thread.deleted"])
    await peer.attach(thread)
    receipt = await case.finished(peer, thread, "context")
    same("the context", told_to(peer, thread, receipt["turn"]), [("user", "context")])


@check("11")
async def the_history_stays(case: Case) -> None:
    """End detaches everybody, and the history stays."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    start = (await peer.attach(thread))["cursor"]
    await other.attach(thread)
    await case.finished(peer, thread, "hello")
    has(await peer.done("end", thread=thread), existed=True)
    for each in (peer, other):
        detached = await each.until(lambda m: m["type"] == "detached", "detached")
        has(detached, thread=thread, reason="ended")
        same("nothing behind it", each.of(thread)[-1], detached)
        same("the last event", each.events(thread)[-1]["type"], "thread.ended")
        same("its place", offset_of(detached["cursor"]), last_of(each.events(thread)[-1]))
    end = detached["cursor"]
    has(await peer.done("end", thread=thread), existed=False)
    has(await peer.done("end", thread=case.thread("absent")), existed=False)
    items = (await peer.done("history", thread=thread))["items"]
    same("the user's message", items[0]["content"], "hello")
    # Nothing more was written, an old thread.ended detaches nobody, and the next submit goes on.
    since = len(peer.heard)
    has(await peer.attach(thread, cursor=start), mode="resume")
    has(peer.of(thread, since)[-1], type="caught_up", cursor=end)
    again = await case.finished(peer, thread, "hello again")
    holds("detached" not in kinds_of(peer.of(thread, since)), "nobody detached", end)
    contiguous(peer.events(thread, since), 1)
    same("the same epoch", epoch_of(again["cursor"]), epoch_of(end))


@check("11", Need.HOLD)
async def an_end_cancels(case: Case) -> None:
    """End cancels running and queued turns, and waits until they have left."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    running = await case.held(peer, thread, 0.1)
    queued = (await peer.submit(thread, "hello", on_busy="queue"))["turn"]
    has(await peer.done("end", thread=thread), existed=True)
    await peer.until(lambda m: m["type"] == "detached", "detached")
    endings = endings_of(peer.events(thread))
    expected = [("turn.cancelled", queued), ("turn.cancelled", running)]
    same("the endings", sorted(endings), sorted(expected))
    same("the last event", peer.events(thread)[-1]["type"], "thread.ended")
