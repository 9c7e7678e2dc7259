"""Error codes, and rule 14: what an error says and what it does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ..check import Group, Need, has, holds, same
from ..stream import said
from ..watch import leak

if TYPE_CHECKING:
    from ..case import Case

GROUP = Group([])
check = GROUP.check


@check("errors")
async def unknown_threads(case: Case) -> None:
    """An unknown thread is thread_not_found, and nothing is made of it."""
    peer, thread = await case.connect(), case.thread("never")
    absent = {"thread": thread}
    for type, fields in (
        ("cancel", {}),
        ("cancel", {"turn": "t_1"}),
        ("history", {}),
        ("history", {"before": "t_1.0"}),
        ("truncate", {"after": None}),
    ):
        refusal = await peer.refusal("thread_not_found", type, **absent, **fields)
        has(refusal, retryable=False)
    for type in ("end", "delete"):
        has(await peer.done(type, **absent), existed=False)
    listed = (await peer.done("threads", limit=500))["threads"]
    holds(thread not in {s["thread"] for s in listed}, "no such thread in the list", thread)


@check("errors")
async def unknown_turns(case: Case) -> None:
    """An unknown turn is turn_not_found."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    await case.finished(peer, thread, "hello")
    for turn in ("t_1", "", "\0" * 500):
        refusal = await peer.refusal("turn_not_found", "cancel", thread=thread, turn=turn)
        has(refusal, retryable=False)


@check("errors")
async def blank_content(case: Case) -> None:
    """Blank content is bad_request, and creates nothing."""
    peer, thread = await case.connect(), case.thread()
    for content in ("", " \t\n", [], [{"type": "text", "text": " "}]):
        await peer.refusal("bad_request", "submit", thread=thread, content=content)
    await peer.refusal("thread_not_found", "history", thread=thread)


@check("errors")
async def errors_are_whole(case: Case) -> None:
    """An error has a message for a person, and says whether to try again."""
    peer, thread = await case.connect(), case.thread()
    for type, fields in (("history", {}), ("attach", {"window": "42"}), ("nonsense", {})):
        error = await peer.ask(type, thread=thread, **fields)
        has(error, type="error", retryable=False)
        holds(isinstance(error["message"], str) and error["message"], "a message", error)


@check("14", Need.FAIL)
async def failures_are_discreet(case: Case) -> None:
    """A turn that fails says nothing of the server's insides."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    turn = (await peer.submit(thread, "fail"))["turn"]
    ending = await peer.ending(thread, turn)
    has(ending, type="turn.failed")
    holds(isinstance(ending.get("error"), str), "an error", ending)
    other = await case.connect()
    await other.attach(thread)
    told = json.dumps([other.snapshot(thread)["items"], ending], ensure_ascii=False)
    same("insides in what is told of a failure", leak(told), None)
    items = (await peer.done("history", thread=thread))["items"]
    expected = ["message", "answer", "marker"] if said(peer.events(thread), turn) else None
    same("the items", [i["kind"] for i in items], expected or ["message", "marker"])
    has(items[-1], kind="marker", reason="failed")
    # The thread goes on.
    await case.finished(peer, thread, "hello")


@check("14")
async def refusals_are_discreet(case: Case) -> None:
    """Refusals say nothing of the server's insides.

    Every error that comes in a run is looked at; here are some to make a server talk.
    """
    peer = await case.connect()
    for text in ("{", "nul", '{"type":"ping"', "[" * 5000, '{"type":"submit","id":"c"}'):
        await peer.send(text)
    for after in ("' OR 1=1 --", "\0", "x" * 5000):
        await peer.ask("threads", after=after)
        await peer.ask("history", thread=case.thread(), before=after)
    await peer.settle()
