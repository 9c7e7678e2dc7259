"""Rule 10: cutting the history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..check import Group, Need, has, same
from ..stream import Message, epoch_of, kinds_of, offset_of
from .endings import told_to

if TYPE_CHECKING:
    from ..case import Case
    from ..peer import Peer

GROUP = Group([])
check = GROUP.check


async def three_turns(case: Case, peer: Peer, thread: str) -> list[Message]:
    """Attach, have three turns, and return the items of the history."""
    await peer.attach(thread)
    for number in range(3):
        await case.finished(peer, thread, f"hello {number}")
    items: list[Message] = (await peer.done("history", thread=thread))["items"]
    return items


def first_of(items: list[Message], turn: int) -> int:
    """Return where the items of the turn of that number begin."""
    turns = list(dict.fromkeys(item["turn"] for item in items))
    return next(at for at, item in enumerate(items) if item["turn"] == turns[turn])


@check("10")
async def truncated_is_gone(case: Case) -> None:
    """What is truncated is out of every read at once."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    items = await three_turns(case, peer, thread)
    kept = items[: first_of(items, 1)]
    reply = await peer.done("truncate", thread=thread, after=kept[-1]["item"])
    event = await peer.until_event(
        thread, lambda e: e["type"] == "thread.truncated", "thread.truncated"
    )
    has(event, after=kept[-1]["item"], offset=offset_of(reply["cursor"]))
    same("the history", (await peer.done("history", thread=thread))["items"], kept)
    await other.attach(thread)
    same("a snapshot's items", other.snapshot(thread)["items"], kept)
    for gone in (items[len(kept)], items[-1]):
        await peer.refusal("item_not_found", "truncate", thread=thread, after=gone["item"])
    await peer.done("truncate", thread=thread, after=None)
    same("the cleared history", (await peer.done("history", thread=thread))["items"], [])


@check("10")
async def old_cursors_get_a_snapshot(case: Case) -> None:
    """A cursor from before a truncation gets a snapshot, one from behind it resumes."""
    peer, other, thread = await case.connect(), await case.connect(), case.thread()
    items = await three_turns(case, peer, thread)
    start = peer.of(thread)[0]["cursor"]
    middle = f"{epoch_of(start)}.{peer.events(thread)[4]['offset']}"
    reply = await peer.done("truncate", thread=thread, after=items[0]["item"])
    for cursor in (start, middle):
        since = len(other.heard)
        attached = await other.attach(thread, cursor=cursor)
        has(attached, mode="snapshot", reason="truncated", cursor=reply["cursor"])
        same("the snapshot's items", other.snapshot(thread, since)["items"], items[:1])
        same("events of what was cut", other.events(thread, since), [])
    has(await other.attach(thread, cursor=reply["cursor"]), mode="resume")


@check("10")
async def missing_items(case: Case) -> None:
    """A missing item is item_not_found, and changes nothing."""
    peer, thread = await case.connect(), case.thread()
    items = await three_turns(case, peer, thread)
    for item in ("", "t_1.0", "." * 500, items[0]["item"] + "9"):
        await peer.refusal("item_not_found", "truncate", thread=thread, after=item)
        await peer.refusal("item_not_found", "submit", thread=thread, content="x", after=item)
        await peer.refusal("item_not_found", "history", thread=thread, before=item)
    same("the history", (await peer.done("history", thread=thread))["items"], items)


@check("10", Need.HOLD)
async def live_turns_are_left_alone(case: Case) -> None:
    """With a live or queued turn, truncate and submit with after are refused."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    running = await case.held(peer, thread)
    commands: tuple[tuple[str, dict[str, Any]], ...] = (
        ("submit", {"content": "hello", "after": None}),
        ("submit", {"content": "hello", "after": None, "on_busy": "interrupt"}),
        ("truncate", {"after": None}),
    )
    for type, fields in commands:
        refusal = await peer.refusal("turn_in_progress", type, thread=thread, **fields)
        has(refusal, turn=running, retryable=True)
    await peer.done("cancel", thread=thread)


@check("10")
async def edit_in_one_go(case: Case) -> None:
    """A submit with after cuts and asks in one go."""
    peer, thread = await case.connect(), case.thread()
    items = await three_turns(case, peer, thread)
    since = len(peer.heard)
    kept = items[: first_of(items, 1)]
    edited = await case.finished(peer, thread, "edited", after=kept[-1]["item"])
    kinds = kinds_of(peer.events(thread, since))
    same("the log", kinds[:3], ["thread.truncated", "turn.submitted", "turn.started"])
    left = (await peer.done("history", thread=thread))["items"]
    same("what stays", left[: len(kept)], kept)
    same("whose the rest is", {i["turn"] for i in left[len(kept) :]}, {edited["turn"]})
    cleared = (await case.finished(peer, thread, "cleared", after=None))["turn"]
    left = (await peer.done("history", thread=thread))["items"]
    same("whose items stay", {item["turn"] for item in left}, {cleared})


@check("10", Need.SAY, Need.CONTEXT)
async def truncated_is_no_context(case: Case) -> None:
    """What was truncated is in nobody's context."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    for number in range(2):
        await case.finished(peer, thread, f"say 2 0 {number}")
    items = (await peer.done("history", thread=thread))["items"]
    edited = (await case.finished(peer, thread, "context edited", after=items[1]["item"]))["turn"]
    expected = [("user", "say 2 0 0"), ("assistant", "0 1 "), ("user", "context edited")]
    same("the context", told_to(peer, thread, edited), expected)
