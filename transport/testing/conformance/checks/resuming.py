"""Rule 3: where a cursor resumes, and what comes where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..check import Group, Need, has, holds, same
from ..stream import contiguous, kinds_of, last_of, numbers, offset_of, said, split_cursor

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check


@check("3")
async def every_place_resumes(case: Case) -> None:
    """Every place that the stream gave resumes, with exactly what follows."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "say 20")
    epoch, head = split_cursor(peer.of(thread)[-1]["cursor"])
    # Pieces of one commit may share a range, of which only the end is a place.
    for place in [0, *map(last_of, peer.events(thread))]:
        since = len(peer.heard)
        cursor = f"{epoch}.{place}"
        attached = await peer.attach(thread, cursor=cursor)
        has(attached, mode="resume", cursor=cursor)
        contiguous(peer.events(thread, since), place + 1)
        holds("snapshot" not in kinds_of(peer.of(thread, since)), "no snapshot", attached)
        has(peer.of(thread, since)[-1], type="caught_up", cursor=f"{epoch}.{head}")


@check("3")
async def no_cursor_is_a_snapshot(case: Case) -> None:
    """Without a cursor comes a snapshot, which begins where attached says."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    head = peer.of(thread)[-1]["cursor"]
    since = len(peer.heard)
    has(await peer.attach(thread), mode="snapshot", cursor=head)
    same("the stream", kinds_of(peer.of(thread, since)), ["attached", "snapshot", "caught_up"])
    snapshot = peer.snapshot(thread, since)
    has(snapshot, cursor=head, turn=None, queue=[], before=None)
    same("the user's message", snapshot["items"][0]["content"], "hello")


@check("3")
async def useless_cursors_reset(case: Case) -> None:
    """Ahead, of another epoch, unreadable: reset with its reason, and a snapshot."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    head = peer.of(thread)[-1]["cursor"]
    epoch, offset = split_cursor(head)
    odd = ("what?", "1", "1.", ".1", "-1.1", "1e3.1", "٣.٣", "9" * 5000)
    cases = [(f"{epoch}.{offset + 1}", "ahead"), (f"{int(epoch) + 1}.1", "epoch")]
    for cursor, reason in [*cases, *((each, "unreadable") for each in odd)]:
        since = len(peer.heard)
        attached = await peer.attach(thread, cursor=cursor)
        has(attached, mode="reset", reason=reason, cursor=head)
        same("the snapshot's cursor", peer.snapshot(thread, since)["cursor"], head)


@check("3", Need.SAY)
async def snapshot_and_stream_fit(case: Case) -> None:
    """A snapshot in mid turn and what follows make one answer."""
    peer, thread = await case.connect(), case.thread()
    viewers = [await case.connect() for _ in range(4)]
    turn = (await peer.submit(thread, "say 60 0.01"))["turn"]
    for viewer in viewers:
        await viewer.attach(thread)
        await trio.sleep(_APART)
    for viewer in viewers:
        snapshot = viewer.snapshot(thread)
        live = snapshot["turn"]
        if live is None:  # it came too late to see it live
            shown = snapshot["items"]
        else:
            has(live, turn=turn, attempt=1)
            shown = live["items"]
            await viewer.ending(thread, turn)
        events = viewer.events(thread)
        contiguous(events, offset_of(snapshot["cursor"]) + 1, "3")
        text = "".join(item["text"] for item in shown if item["kind"] == "answer")
        same("the answer", text + said(events, turn), numbers(60))


# Seconds between two that come to see one turn.
_APART = 0.1


@check("3", Need.HOLD)
async def a_snapshot_has_its_parts(case: Case) -> None:
    """A snapshot leaves out live and queued turns' items, and shows them apart."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    running = await case.held(peer, thread)
    queued = [(await peer.submit(thread, f"q{n}", on_busy="queue"))["turn"] for n in range(2)]
    other = await case.connect()
    await other.attach(thread)
    snapshot = other.snapshot(thread)
    same("the live turn", snapshot["turn"]["turn"], running)
    same("its message", snapshot["turn"]["items"][0]["kind"], "message")
    same("the queue", [waiting["turn"] for waiting in snapshot["queue"]], queued)
    same("what waits", snapshot["queue"][0]["items"][0]["content"], "q0")
    turns = {item.get("turn") for item in snapshot["items"]}
    holds(not turns & {running, *queued}, "settled items only", snapshot["items"])
    await peer.done("end", thread=thread)
