"""Rules 8 and 15: a key is accepted once, and answered the same ever after."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..check import Group, Need, has, holds, same
from ..stream import kinds_of

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check


@check("8")
async def a_key_is_accepted_once(case: Case) -> None:
    """A repeated submit has the first receipt, whatever its on_busy, and adds no turn."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    body = {"thread": thread, "content": "hello", "key": "k", "metadata": {"a": [1]}}
    first = await peer.done("submit", **body)
    has(first, duplicate=False)
    for fields in ({}, {"on_busy": "queue"}, {"on_busy": "interrupt"}, {"on_busy": "rollback"}):
        again = await peer.done("submit", **body, **fields)
        has(again, turn=first["turn"], cursor=first["cursor"], duplicate=True)
    await peer.ending(thread, first["turn"])
    await peer.done("submit", **body)
    await peer.settle()
    same("turns", kinds_of(peer.events(thread)).count("turn.submitted"), 1)


@check("8")
async def another_body_is_a_conflict(case: Case) -> None:
    """Another body under the same key is a conflict."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    body = {"thread": thread, "content": "hello", "key": "k", "metadata": {"a": [1]}}
    await case.finished(peer, thread, "hello", key="k", metadata={"a": [1]})
    changes = (
        {"content": "other"},
        {"metadata": {"a": [2]}},
        {"attachments": [1]},
        {"after": None},
    )
    for change in changes:
        refusal = await peer.refusal("idempotency_conflict", "submit", **{**body, **change})
        has(refusal, retryable=False)


@check("8")
async def a_refusal_binds_nothing(case: Case) -> None:
    """A refusal binds no key."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "first")
    body = {"thread": thread, "content": "hello", "key": "k"}
    await peer.refusal("item_not_found", "submit", **body, after="t_1.0")
    has(await peer.done("submit", **body), duplicate=False)


@check("8")
async def a_key_belongs_to_its_thread(case: Case) -> None:
    """A key belongs to its thread, and without one nothing is repeated."""
    peer = await case.connect()
    a, b = case.thread("a"), case.thread("b")
    first = await peer.submit(a, "hello", key="k")
    other = await peer.submit(b, "hello", key="k")
    holds(first["turn"] != other["turn"], "a turn for each thread", other)
    without = [await peer.submit(a, "hello", on_busy="queue") for _ in range(2)]
    holds(without[0]["turn"] != without[1]["turn"], "a turn for each", without)


@check("8")
async def a_key_outlives_truncation(case: Case) -> None:
    """A key is kept across truncation."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    first = await case.finished(peer, thread, "hello", key="k")
    await peer.done("truncate", thread=thread, after=None)
    again = await peer.submit(thread, "hello", key="k")
    has(again, turn=first["turn"], cursor=first["cursor"], duplicate=True)


@check("8")
async def equal_keys_race(case: Case) -> None:
    """Two equal submits at once make one turn."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    body = {"thread": thread, "content": "hello", "key": "k", "on_busy": "queue"}
    labels = [(each, await each.post("submit", **body)) for each in (peer, other) * 5]
    receipts = [await each.answer(label) for each, label in labels]
    same("one turn and place", len({(r.get("turn"), r.get("cursor")) for r in receipts}), 1)
    same("first receipts", [r.get("duplicate") for r in receipts].count(False), 1)


@check("15", Need.HOLD)
async def one_principal(case: Case) -> None:
    """Connections without credentials are one principal."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await peer.attach(thread)
    first = await peer.submit(thread, "hold", key="shared")
    for asking in (other, peer):
        again = await asking.submit(thread, "hold", key="shared")
        has(again, turn=first["turn"], cursor=first["cursor"], duplicate=True)
    has(await other.done("cancel", thread=thread), turn=first["turn"])
    after = await other.submit(thread, "hold", key="shared")
    has(after, turn=first["turn"], cursor=first["cursor"], duplicate=True)


@check("15")
async def one_receipt(case: Case) -> None:
    """A repeated receipt is the same from every connection."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    await peer.attach(thread)
    first = await case.finished(peer, thread, "hello", key="shared")
    again = await other.submit(thread, "hello", key="shared")
    has(again, turn=first["turn"], cursor=first["cursor"], duplicate=True)
    await case.finished(peer, thread, "more")
    authors = {e["author"] for e in peer.events(thread) if e["type"] == "turn.submitted"}
    same("authors", len(authors), 1)
