"""Record, fork, cast and presence: for servers that have them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import trio

from ..check import Group, Need, Skipped, has, holds, same
from ..stream import Message, contiguous, offset_of
from .truncation import first_of, three_turns

if TYPE_CHECKING:
    from ..case import Case
    from ..peer import Peer

GROUP = Group([])
check = GROUP.check


async def supported(peer: Peer, type: str, **fields: Any) -> Message:
    """Send a command, and return its reply.

    Raises:
        Skipped: the server has no such command.
        Violation: it was refused.
    """
    answer = await peer.ask(type, **fields)
    if answer.get("code") == "unsupported":
        raise Skipped(f"the server answers {type} with unsupported")
    holds(answer["type"] == "reply", f"a reply to {type}", answer)
    return answer


@check("8")
async def a_record_is_kept(case: Case) -> None:
    """Record: once under its key, and part of log and history."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    body = {"thread": thread, "kind": "note", "data": {"a": [1, None]}, "key": "k"}
    first = await supported(peer, "record", **body)
    has(first, duplicate=False)
    has(await peer.done("record", **body), cursor=first["cursor"], duplicate=True)
    await peer.refusal("idempotency_conflict", "record", **{**body, "data": None})
    event = await peer.until_event(thread, lambda e: e["type"] == "record", "a record event")
    has(event, kind="note", data={"a": [1, None]}, offset=offset_of(first["cursor"]))
    contiguous(peer.events(thread), 1)
    [item] = (await peer.done("history", thread=thread))["items"]
    has(item, item=event["item"], kind="record", record="note", data={"a": [1, None]})


@check("10")
async def a_record_is_never_truncated(case: Case) -> None:
    """Record: never truncated."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    await supported(peer, "record", thread=thread, kind="note", data=1)
    await peer.done("truncate", thread=thread, after=None)
    items = (await peer.done("history", thread=thread))["items"]
    same("what is left", [(i["kind"], i.get("record")) for i in items], [("record", "note")])


@check("10")
async def a_fork_is_a_copy(case: Case) -> None:
    """Fork: a copy up to an item, which goes its own way."""
    peer, thread, to = await case.connect(), case.thread(), case.thread("fork")
    items = await three_turns(case, peer, thread)
    kept = items[: first_of(items, 1)]
    body = {"thread": thread, "to": to, "after": kept[-1]["item"], "key": "k"}
    first = await supported(peer, "fork", **body)
    has(await peer.done("fork", **body), cursor=first["cursor"])
    copied = (await peer.done("history", thread=to))["items"]
    same("the copy", list(map(_shown, copied)), list(map(_shown, kept)))
    await peer.attach(to)
    await case.finished(peer, to, "elsewhere")
    same("the original", (await peer.done("history", thread=thread))["items"], items)


def _shown(item: Message) -> tuple[Any, ...]:
    return item["kind"], item.get("content"), item.get("text")


@check("10")
async def a_fork_needs_its_item(case: Case) -> None:
    """Fork: a missing item is refused, and makes no thread."""
    peer, thread, to = await case.connect(), case.thread(), case.thread("fork")
    await three_turns(case, peer, thread)
    await supported(peer, "fork", thread=thread, to=case.thread("probe"), after=None)
    await peer.refusal("item_not_found", "fork", thread=thread, to=to, after="t_1.0")
    await peer.refusal("thread_not_found", "history", thread=to)


@check("10", Need.HOLD)
async def a_fork_needs_quiet(case: Case) -> None:
    """Fork: refused while a turn is live."""
    peer, thread, to = await case.connect(), case.thread(), case.thread("fork")
    items = await three_turns(case, peer, thread)
    await supported(peer, "fork", thread=thread, to=case.thread("probe"), after=items[0]["item"])
    turn = await case.held(peer, thread)
    after = items[0]["item"]
    refusal = await peer.refusal("turn_in_progress", "fork", thread=thread, to=to, after=after)
    has(refusal, turn=turn)
    await peer.done("cancel", thread=thread)


@check("errors")
async def casts_are_refused_sparingly(case: Case) -> None:
    """Casts that nobody takes: errors without id, at most one a second."""
    peer, thread = await case.connect(), case.thread("absent")
    began = trio.current_time()
    header = {"type": "cast", "thread": thread, "kind": "audio"}
    for _ in range(20):
        await peer.send({**header, "data": None})
        await peer.send(json.dumps(header).encode() + b"\nbytes")
    await peer.until(lambda m: m["type"] == "error", "an error")
    await peer.settle()
    errors = [m for m in peer.heard if m["type"] == "error"]
    most = 2 + int(trio.current_time() - began)
    holds(1 <= len(errors) <= most, f"one to {most} errors", errors)
    holds("id" not in errors[0], "no id", errors[0])
    await peer.refusal("thread_not_found", "history", thread=thread)


@check("1")
async def presence_has_no_offset(case: Case) -> None:
    """Presence comes between events, and has no offset."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    await other.attach(thread)
    await case.finished(peer, thread, "hello again")
    await other.done("detach", thread=thread)
    await case.finished(peer, thread, "and once more")
    heard = [m for m in peer.heard if m["type"] == "presence"]
    if not heard:
        raise Skipped("the server sends no presence")
    holds(all(m["thread"] == thread for m in heard), "of the thread", heard)
    holds(all("cursor" not in m and "offset" not in m for m in heard), "no offset", heard)
    contiguous(peer.events(thread), 1)
