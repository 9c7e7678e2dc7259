"""Server-Sent Events: the stream of an attachment, for a reader that reconnects by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..check import Group, Need, has, holds, same
from ..stream import contiguous, endings_of, epoch_of, is_ending, last_of, numbers, offset_of, said
from ..watch import leak

if TYPE_CHECKING:
    from ..case import Case
    from ..peer import Peer
    from ..reader import Reader
    from ..stream import Message

GROUP = Group([])
check = GROUP.check

# Events before each cut of the check that comes back again and again.
_EVENTS = 5


async def _spoken(case: Case, content: str = "hello") -> tuple[Peer, str, str, str]:
    """Have a turn end; return the connection, the thread, its first cursor, and the turn."""
    peer, thread = await case.connect(), case.thread()
    start = (await peer.attach(thread))["cursor"]
    receipt = await case.finished(peer, thread, content)
    return peer, thread, start, receipt["turn"]


async def _caught_up(
    case: Case, thread: str, *, cursor: str | None = None, last_id: str | None = None
) -> Reader:
    reader = await case.follow(thread, cursor=cursor, last_id=last_id)
    same("the status of a stream", reader.status, 200)
    await reader.until_type("caught_up")
    return reader


@check("sse-begin", Need.EVENTS)
async def begins_with_a_snapshot(case: Case) -> None:
    """Without a cursor it begins with a snapshot."""
    _, thread, _, _ = await _spoken(case)
    reader = await _caught_up(case, thread)
    same("the first event", reader.heard[0].type, "snapshot")
    snapshot = reader.body("snapshot")
    has(snapshot, type="snapshot", thread=thread, mode="snapshot", turn=None, queue=[])
    same("its cursor", snapshot["cursor"], reader.heard[0].id)
    holds([i["kind"] for i in snapshot["items"]][:1] == ["message"], "the message", snapshot)


@check("sse-begin", Need.EVENTS)
async def absent_threads(case: Case) -> None:
    """An absent thread is shown empty, and is there for what comes."""
    peer, thread = await case.connect(), case.thread()
    reader = await _caught_up(case, thread)
    has(reader.body("snapshot"), items=[], turn=None, queue=[])
    await peer.refusal("thread_not_found", "history", thread=thread)
    receipt = await peer.submit(thread, "hello")
    await reader.ending(receipt["turn"])


@check("sse-begin", Need.EVENTS)
async def goes_on_from_a_cursor(case: Case) -> None:
    """With a cursor it goes on from there, without a snapshot."""
    _, thread, start, turn = await _spoken(case)
    reader = await _caught_up(case, thread, cursor=start)
    holds("snapshot" not in {e.type for e in reader.heard}, "no snapshot", reader.heard[0].type)
    contiguous(reader.events, offset_of(start) + 1)
    await reader.ending(turn)


@check("sse-begin", Need.EVENTS)
async def resets(case: Case) -> None:
    """A cursor that was never good gets a reset with a reason."""
    _, thread, start, _ = await _spoken(case)
    for cursor in ("nonsense", f"{epoch_of(start)}.{10**9}", f"{epoch_of(start)}7.1"):
        reader = await _caught_up(case, thread, cursor=cursor)
        snapshot = reader.body("snapshot")
        has(snapshot, mode="reset")
        holds(isinstance(snapshot.get("reason"), str), "a reason", snapshot)


@check("sse-types", Need.EVENTS)
async def types(case: Case) -> None:
    """Each event comes alone, under its type."""
    _, thread, start, turn = await _spoken(case)
    reader = await _caught_up(case, thread, cursor=start)
    await reader.ending(turn)
    media_type = reader.content_type.partition(";")[0]
    same("the type of the answer", media_type, "text/event-stream")
    for event in reader.heard:
        same("the type in the data", json.loads(event.data).get("type"), event.type)
    of_turn = [event for event in reader.events if event.get("turn") == turn]
    holds(of_turn, "the events of the turn", [event.type for event in reader.heard])


@check("sse-types", Need.EVENTS)
async def the_same_events(case: Case) -> None:
    """They are the events that a WebSocket is sent."""
    peer, thread = await case.connect(), case.thread()
    start = (await peer.attach(thread))["cursor"]
    reader = await _caught_up(case, thread, cursor=start)
    turn = (await case.finished(peer, thread, "hello"))["turn"]
    await reader.ending(turn)
    same("the answer", said(reader.events, turn), said(peer.events(thread), turn))
    same("the endings", endings_of(reader.events), endings_of(peer.events(thread)))
    sides = (reader.events, peer.events(thread))
    same("turn.submitted", *([e for e in side if e["type"] == "turn.submitted"] for side in sides))


@check("sse-ids", Need.EVENTS)
async def ids(case: Case) -> None:
    """The id is the cursor behind the event."""
    _, thread, start, turn = await _spoken(case)
    for cursor in (start, None):
        reader = await _caught_up(case, thread, cursor=cursor)
        for event in reader.heard:
            holds(event.names_id or event.type == "ping", f"an id of {event.type}", event)
        for event, body in reader.told:
            same(f"the id of {body}", event.id, f"{epoch_of(start)}.{last_of(body)}")
        caught_up = reader.heard[-1]
        same("the cursor of caught_up", reader.body("caught_up")["cursor"], caught_up.id)
    peer = await case.connect()
    attached = await peer.attach(thread, cursor=caught_up.id)
    same("how a WebSocket goes on from an id", attached["mode"], "resume")
    holds(turn not in str(peer.events(thread)), "nothing behind the last id", peer.events(thread))


@check("sse-back", Need.EVENTS)
async def every_id_is_good(case: Case) -> None:
    """From every id it goes on with what is behind it."""
    _, thread, start, turn = await _spoken(case)
    whole = await _caught_up(case, thread, cursor=start)
    await whole.ending(turn)
    for place, (event, _) in enumerate(whole.told, 1):
        reader = await _caught_up(case, thread, last_id=event.id)
        same(f"the events after {event.id}", reader.events, whole.events[place:])


@check("sse-back", Need.EVENTS)
async def last_id_wins(case: Case) -> None:
    """Last-Event-ID wins over the cursor in the address."""
    _, thread, start, turn = await _spoken(case)
    last = (await _caught_up(case, thread, cursor=start)).heard[-1].id
    reader = await _caught_up(case, thread, cursor=start, last_id=last)
    same("the events after the last id", reader.events, [])
    again = await _caught_up(case, thread, cursor=last, last_id=start)
    await again.ending(turn)


@check("sse-back", Need.EVENTS)
async def the_place_is_kept(case: Case) -> None:
    """No block of a resumed stream empties the reader's last id."""
    _, thread, start, _ = await _spoken(case)
    last = (await _caught_up(case, thread, cursor=start)).heard[-1].id
    for cursor in (start, last):
        reader = await _caught_up(case, thread, last_id=cursor)
        holds("" not in reader.ids, "an id in the first block", reader.ids)


@check("sse-back", Need.EVENTS, Need.SAY)
async def cuts(case: Case) -> None:
    """Cut while a turn speaks, it misses nothing and hears nothing twice."""
    peer, thread = await case.connect(), case.thread()
    last = start = (await peer.attach(thread))["cursor"]
    turn = (await peer.submit(thread, "say 40 0.01"))["turn"]
    events: list[Message] = []
    while not any(map(is_ending, events)):
        reader = await case.follow(thread, cursor=start, last_id=last)
        await reader.some_events(_EVENTS)
        reader.cut()
        events += reader.events
        contiguous(events, offset_of(start) + 1, "sse-back")
        last = reader.told[-1][0].id
    same("what was said", said(events, turn), numbers(40))


@check("sse-pings", Need.EVENTS, Need.SLOW)
async def pings(case: Case) -> None:
    """A ping breaks the silence, and leaves the id alone."""
    _, thread, start, _ = await _spoken(case)
    reader = await _caught_up(case, thread, cursor=start)
    last = reader.heard[-1].id
    seconds = 2 * case.target.heartbeat_seconds + 5
    ping = await reader.until(lambda event: event.type == "ping", "a ping", seconds)
    same("its data", json.loads(ping.data), {"type": "ping"})
    holds(not ping.names_id, "no id of its own", ping)
    same("the last id", ping.id, last)


@check("sse-end", Need.EVENTS)
async def ended_threads(case: Case) -> None:
    """The end of a thread ends its stream, and coming back is 204 until it is opened again."""
    peer, thread, start, _ = await _spoken(case)
    reader = await _caught_up(case, thread, cursor=start)
    await peer.done("end", thread=thread)
    last = await reader.until_type("detached")
    has(reader.body("detached"), reason="ended", cursor=last.id)
    await reader.ended()
    same("the answer to coming back", (await case.follow(thread, last_id=last.id)).status, 204)
    turn = (await peer.submit(thread, "hello"))["turn"]
    again = await _caught_up(case, thread, last_id=last.id)
    await again.ending(turn)


@check("sse-end", Need.EVENTS)
async def deleted_threads(case: Case) -> None:
    """A deleted thread's stream ends, and coming back is 204."""
    peer, thread, start, _ = await _spoken(case)
    reader = await _caught_up(case, thread, cursor=start)
    await peer.done("delete", thread=thread)
    last = await reader.until_type("detached")
    has(reader.body("detached"), reason="deleted", cursor=last.id)
    await reader.ended()
    same("the answer to coming back", (await case.follow(thread, last_id=last.id)).status, 204)


@check("sse-end", Need.EVENTS)
async def the_end_is_not_missed(case: Case) -> None:
    """Who was away at the end is shown it first."""
    peer, thread, start, _ = await _spoken(case)
    await peer.done("end", thread=thread)
    reader = await _caught_up(case, thread, last_id=start)
    await reader.until_type("thread.ended")


@check("sse-wrong", Need.EVENTS)
async def refusals(case: Case) -> None:
    """What is wrong is 400, in the words of the protocol."""
    good = case.thread()
    for thread, query in (("-t", ""), (good, "window=many"), (good, "window=501"), (good, "x=1")):
        reader = await case.follow(thread, query=query)
        same(f"the status of {thread} with {query!r}", reader.status, 400)
        await reader.ended()
        error = json.loads(reader.text)
        has(error, code="bad_request", retryable=False)
        holds(leak(error["message"]) is None, "an error that says nothing of insides", error)
