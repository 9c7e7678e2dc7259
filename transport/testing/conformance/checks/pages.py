"""Pages of history and threads, and windows of snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..check import Group, holds, same

if TYPE_CHECKING:
    from ..case import Case
    from ..stream import Message

GROUP = Group([])
check = GROUP.check


@check("pages")
async def pages_of_history(case: Case) -> None:
    """History pages back to the beginning, leaves nothing out and repeats nothing."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    for number in range(5):
        await case.finished(peer, thread, f"hello {number}")
    items = (await peer.done("history", thread=thread))["items"]
    asked = [item["content"] for item in items if item["kind"] == "message"]
    same("what was asked", asked, [f"hello {number}" for number in range(5)])
    paged: list[Message] = []
    before: dict[str, object] = {}
    for _ in range(len(items) + 1):
        page = await peer.done("history", thread=thread, limit=3, **before)
        holds(1 <= len(page["items"]) <= 3, "one to three items", page)
        paged = page["items"] + paged
        if page["before"] is None:
            break
        before = {"before": page["before"]}
    same("all pages", paged, items)


@check("pages")
async def windows_of_snapshots(case: Case) -> None:
    """A snapshot has its window, and before pages on from there."""
    peer, thread = await case.connect(), case.thread()
    await peer.attach(thread)
    for number in range(4):
        await case.finished(peer, thread, f"hello {number}")
    items = (await peer.done("history", thread=thread))["items"]
    since = len(peer.heard)
    await peer.attach(thread, window=3)
    snapshot = peer.snapshot(thread, since)
    same("the window", snapshot["items"], items[-3:])
    older = await peer.done("history", thread=thread, before=snapshot["before"])
    same("what is older", older["items"], items[:-3])


@check("pages")
async def pages_of_threads(case: Case) -> None:
    """Threads are listed once each, last activity first, with their state."""
    peer = await case.connect()
    threads = [case.thread(name) for name in "abc"]
    for thread in threads:
        await peer.attach(thread)
        await case.finished(peer, thread, "hello")
    listed: list[Message] = []
    after: dict[str, object] = {}
    while True:
        page = await peer.done("threads", limit=2, **after)
        holds(1 <= len(page["threads"]) <= 2, "one or two summaries", page)
        listed += page["threads"]
        if page["after"] is None or len(listed) > _ENOUGH:
            break
        after = {"after": page["after"]}
    own = [summary for summary in listed if summary["thread"] in threads]
    same("ours, newest first", [s["thread"] for s in own], threads[::-1])
    same("their state", {s["state"] for s in own}, {"idle"})
    moments = [summary["active_at"] for summary in listed]
    same("the order of activity", moments, sorted(moments, reverse=True))
    cursor = peer.of(threads[0])[-1]["cursor"]
    same("the head", own[-1]["cursor"], cursor)


# Summaries after which the list of a server with many threads has been seen enough of.
_ENOUGH = 40
