"""Rules 1, 2, 5 and 13: what comes of a thread, on one connection."""

from __future__ import annotations

import json
from itertools import count as counting
from typing import TYPE_CHECKING

import trio

from ..channel import ChannelClosed
from ..check import Group, Need, Violation, has, holds, same
from ..stream import contiguous, epoch_of, kinds_of, last_of, numbers, offset_of, said

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check


@check("1")
async def every_offset_once(case: Case) -> None:
    """A submit is answered by a turn, whose events have every offset from 1 on.

    Live, and read again from the beginning on another connection.
    """
    peer, thread = await case.connect(), case.thread()
    start = (await peer.attach(thread))["cursor"]
    for content in ("hello", "say 50", "say 3"):
        await case.finished(peer, thread, content)
    contiguous(peer.events(thread), 1)
    kinds = kinds_of(peer.events(thread))
    same("the first events", kinds[:3], ["thread.created", "turn.submitted", "turn.started"])
    other = await case.connect()
    has(await other.attach(thread, cursor=start), mode="resume")
    contiguous(other.events(thread), 1)
    same("the last offset", last_of(other.events(thread)[-1]), last_of(peer.events(thread)[-1]))


@check("1", Need.SAY)
async def long_answers_are_whole(case: Case) -> None:
    """A long answer arrives whole and in order."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    for count in (1, 50, 300):
        turn = (await case.finished(peer, thread, f"say {count}"))["turn"]
        same("the answer", said(peer.events(thread), turn), numbers(count))
    contiguous(peer.events(thread), 1)


@check("2")
async def a_cursor_before_any_event(case: Case) -> None:
    """An absent thread has a cursor before any event, and attaching creates nothing."""
    peer, thread = await case.connect(), case.thread()
    attached = await peer.attach(thread)
    same("the stream", kinds_of(peer.of(thread)), ["attached", "snapshot", "caught_up"])
    same("one cursor for all", {m["cursor"] for m in peer.of(thread)}, {attached["cursor"]})
    same("the offset before any event", offset_of(attached["cursor"]), 0)
    snapshot = peer.snapshot(thread)
    has(snapshot, items=[], turn=None, queue=[], before=None)
    await peer.refusal("thread_not_found", "history", thread=thread)
    # It is good for all that comes, and `attached` gives it back.
    await case.finished(peer, thread, "hello")
    since = len(peer.heard)
    again = await peer.attach(thread, cursor=attached["cursor"])
    has(again, mode="resume", cursor=attached["cursor"])
    holds("reason" not in again, "no reason where it is a resume", again)
    contiguous(peer.events(thread, since), 1)


@check("2")
async def a_receipt_has_its_place(case: Case) -> None:
    """A reply's cursor says where the command stands."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    receipt = await case.finished(peer, thread, "hello")
    [submitted] = [e for e in peer.events(thread) if e["type"] == "turn.submitted"]
    same("the receipt's offset", offset_of(receipt["cursor"]), submitted["offset"])
    for message in peer.of(thread):
        same("the epoch", epoch_of(message["cursor"]), epoch_of(receipt["cursor"]))
        if message["type"] == "events":
            place = last_of(message["events"][-1])
            same("the cursor behind these events", offset_of(message["cursor"]), place)


@check("5")
async def a_second_attach_replaces_the_first(case: Case) -> None:
    """After the second attached nothing of the first follows.

    Attached twice at one place, a connection gets the answer once.
    """
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    since = len(peer.heard)
    start = (await peer.attach(thread))["cursor"]
    await case.finished(peer, thread, "once more")
    await peer.settle()
    contiguous(peer.events(thread, since), offset_of(start) + 1, "5")
    same("caught_up once", kinds_of(peer.of(thread, since)).count("caught_up"), 1)


@check("5", Need.SAY)
async def attaching_again_in_mid_answer(case: Case) -> None:
    """It does so in the middle of an answer, as often as it is asked."""
    peer, thread = await case.connect(), case.thread()
    start = (await peer.attach(thread))["cursor"]
    turn = (await peer.submit(thread, "say 60 0.01"))["turn"]
    since = 0
    for part in ("5 ", "10 ", "20 "):  # once so much of it has come; the rest may come too
        await peer.until_part(thread, turn, part)
        attached = await peer.attach(thread, cursor=start)
        has(attached, mode="resume")
        since = peer.heard.index(attached)
    await peer.until(lambda _: said(peer.events(thread, since), turn) == numbers(60), "the answer")
    await peer.settle()
    contiguous(peer.events(thread, since), 1, "5")
    same("caught_up once", kinds_of(peer.of(thread, since)).count("caught_up"), 1)


@check("13")
async def detached_before_the_reply(case: Case) -> None:
    """Detached comes before the reply to detach, and nothing follows."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    reply = await peer.done("detach", thread=thread)
    same("an empty reply", reply, {"type": "reply", "id": reply["id"]})
    place = peer.heard.index(reply)
    detached = peer.heard[place - 1]
    has(detached, type="detached", thread=thread, reason="requested")
    same("where it stopped", offset_of(detached["cursor"]), last_of(peer.events(thread)[-1]))
    await peer.submit(thread, "unheard")
    other = await case.connect()
    await other.attach(thread, cursor=detached["cursor"])
    await other.settle()
    await peer.settle()
    same("nothing after the reply", kinds_of(peer.of(thread, place)), [])
    await peer.done("detach", thread=thread)  # again is harmless
    same("nothing after the reply", kinds_of(peer.of(thread, place)), [])


@check("13", Need.SAY)
async def a_detached_cursor_stays_good(case: Case) -> None:
    """A cursor from detached goes on in mid answer."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    turn = (await peer.submit(thread, "say 60 0.005"))["turn"]
    await peer.until_part(thread, turn, "3 ")
    await peer.done("detach", thread=thread)
    detached = peer.of(thread)[-1]
    delivered = peer.events(thread)
    since = len(peer.heard)
    has(await peer.attach(thread, cursor=detached["cursor"]), mode="resume")
    await peer.until(
        lambda _: said(delivered + peer.events(thread, since), turn) == numbers(60), "the rest"
    )
    contiguous(delivered + peer.events(thread, since), 1)


@check("13", Need.SOCKET, Need.SLOW)
async def a_slow_reader_is_cut(case: Case) -> None:
    """A reader that takes nothing is cut, and its turn goes on.

    Megabytes are asked for and not read, so that the server cannot write.
    """
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    turn = (await peer.submit(thread, "x" * 30_000))["turn"]
    await peer.ending(thread, turn)
    stuck = await case.stranger()
    history = {"type": "history", "thread": thread}
    try:
        with trio.move_on_after(5 * case.target.limits["slow_seconds"]):
            for number in counting():
                await stuck.send(json.dumps({**history, "id": f"h{number}"}))
    except ChannelClosed:
        await peer.settle()
        return
    finally:
        stuck.cut()
    raise Violation("a cut once nothing was taken for slow_seconds", "none")
