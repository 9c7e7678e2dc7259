"""What a client has to do, scene by scene."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Final

import trio
from attrs import frozen

from ..check import Violation, holds, same
from .stage import EMPTY, SCRIPT, WORK, Stage, longest_wait


@frozen
class Scene:
    """One scene.

    Args:
        rule: a key of `RULES`.
        name: what is checked, in a line.
        run: raises `Violation`, or returns.
    """

    rule: str
    name: str
    run: Callable[[Stage], Awaitable[None]]


_scenes: list[Scene] = []
# Seconds in which a client that is not to come back, or not to ask again, would have.
_QUIET: Final = 3.0
# Seconds that an attempt may be late, on a busy machine.
_SLACK: Final = 2.0


def _scene(rule: str) -> Callable[[Callable[[Stage], Awaitable[None]]], object]:
    def add(run: Callable[[Stage], Awaitable[None]]) -> object:
        _scenes.append(Scene(rule, (run.__doc__ or "").partition("\n")[0].rstrip("."), run))
        return run

    return add


@_scene("2")
async def cursors_are_kept(stage: Stage) -> None:
    """After a cut it resumes at the last cursor that the stream gave, and does nothing twice."""
    peer = await stage.follow()
    for _ in range(3):
        await stage.events(peer, {"type": "thread.truncated", "after": None})
        await stage.heard(peer)
        peer.cut()
        peer = await stage.resumed()
    await peer.expect_nothing(1.0)


@_scene("2")
async def a_reply_moves_no_cursor(stage: Stage) -> None:
    """The cursor of a reply, which may be ahead of what was delivered, is not the stream's."""
    peer = await stage.follow()
    await stage.tell(peer, "submit-here hello")
    submit = await peer.expect("submit", thread=SCRIPT, content="hello")
    body = {"turn": "t9", "cursor": "1.900", "duplicate": False}
    await peer.say({"type": "reply", "id": submit["id"], **body})
    await stage.heard(peer)
    peer.cut()
    await stage.resumed()


@_scene("3")
async def a_snapshot_is_authoritative(stage: Stage) -> None:
    """The stream goes on from a snapshot's cursor, on attaching and in mid-attachment."""
    peer = await stage.follow()
    peer.cut()
    peer = await stage.greet()
    attach = await peer.expect("attach", thread=SCRIPT, cursor=stage.cursor)
    await stage.show(peer, attach, "1.40", reason="truncated")
    await stage.heard(peer)
    peer.cut()
    peer = await stage.resumed()
    stage.offset = 60
    await peer.say({"type": "snapshot", "thread": SCRIPT, "cursor": stage.cursor, **EMPTY})
    await stage.heard(peer)
    peer.cut()
    await stage.resumed()


@_scene("3")
async def a_reset_is_authoritative(stage: Stage) -> None:
    """After a reset it goes by the new epoch's cursor."""
    peer = await stage.follow()
    peer.cut()
    peer = await stage.greet()
    attach = await peer.expect("attach", thread=SCRIPT, cursor=stage.cursor)
    await stage.show(peer, attach, "7.0", mode="reset", reason="epoch")
    await stage.heard(peer)
    peer.cut()
    await stage.resumed()


@_scene("messages")
async def what_is_not_known_is_ignored(stage: Stage) -> None:
    """Messages, fields and types of events that are not known are ignored; their offsets count."""
    peer = await stage.follow()
    await peer.say({"type": "news", "of": "a later version"})
    await stage.events(peer, {"type": "turn.danced", "how": ["well"], "covers": 3})
    caught_up = {"type": "caught_up", "thread": SCRIPT, "cursor": stage.cursor}
    await peer.say({**caught_up, "more": {"a": 1}})
    await stage.events(peer, {"type": "turn.started", "turn": "t1", "attempt": 1, "mood": "good"})
    await stage.heard(peer)
    peer.cut()
    await stage.resumed()


@_scene("7")
async def a_deleted_thread_is_not_brought_back(stage: Stage) -> None:
    """It attaches before it retries, and a submit to a thread that was deleted stays unsent."""
    peer = await stage.follow()
    await stage.tell(peer, "submit-here hello")
    await peer.expect("submit", thread=SCRIPT, content="hello")
    peer.cut()
    peer = await stage.greet()
    attach = await peer.expect("attach", thread=SCRIPT)
    await peer.expect_nothing(0.5)
    await stage.show(peer, attach, "2.0", mode="reset", reason="deleted")
    await peer.expect_nothing(_QUIET)


@_scene("8")
async def an_unanswered_submit_is_retried(stage: Stage) -> None:
    """An unanswered submit goes out again under its key until it is answered, and then no more."""
    peer = await stage.follow()
    await stage.tell(peer, "submit hello")
    first = await peer.expect("submit", thread=WORK, content="hello")
    holds(isinstance(first.get("key"), str), "a submit with a key", first)
    again = first
    for _ in range(2):
        peer.cut()
        peer = await stage.greet()
        await stage.resume(peer, await peer.expect("attach", thread=SCRIPT))
        again = await peer.expect("submit", thread=WORK, content="hello")
        same("the key", again.get("key"), first["key"])
        same("the rest", {**again, "id": 0}, {**first, "id": 0})
    await stage.receipt(peer, again)
    await stage.heard(peer)
    await stage.tell(peer, "submit hello")
    other = await peer.expect("submit", thread=WORK, content="hello")
    holds(other.get("key") != first["key"], "another key for another submit", other)
    await stage.receipt(peer, other)
    await stage.heard(peer)
    peer.cut()
    peer = await stage.resumed()
    await peer.expect_nothing(1.0)


@_scene("8")
async def what_is_not_safe_is_sent_once(stage: Stage) -> None:
    """A cancel without a turn, an end, a delete and a truncate are never sent twice."""
    peer = await stage.follow()
    for word, type in (
        ("cancel", "cancel"),
        ("end", "end"),
        ("clear", "truncate"),
        ("delete", "delete"),
    ):
        await stage.tell(peer, word)
        await peer.expect(type, thread=WORK)
    peer.cut()
    peer = await stage.greet()
    await stage.resume(peer, await peer.expect("attach", thread=SCRIPT))
    await peer.expect_nothing(_QUIET)


@_scene("closes")
async def the_range_says_come_back(stage: Stage) -> None:
    """Closed with 4000 to 4499 or by WebSocket's own codes, it comes back with its cursor."""
    peer = await stage.follow()
    for code in (4001, 4003, 4005, 4499, 1000, 1011):
        await peer.close(code)
        peer = await stage.resumed()
        await stage.heard(peer)


@_scene("closes")
async def the_range_says_stay_away(stage: Stage) -> None:
    """Closed with 4502, it does not come back."""
    peer = await stage.follow()
    await peer.close(4502)
    await stage.expect_nobody(_QUIET)


@_scene("closes")
async def an_unknown_code_goes_by_its_range(stage: Stage) -> None:
    """Closed with 4999, which nobody knows, it does not come back."""
    peer = await stage.follow()
    await peer.close(4999)
    await stage.expect_nobody(_QUIET)


@_scene("closes")
async def waits_grow_and_are_bounded(stage: Stage) -> None:
    """It comes back with full jitter, 0.1 s at first and doubling, and not in a rush."""
    peer = await stage.accept()
    for _ in range(5):
        peer.cut()
        peer = await stage.accept()
    waits = [b - a for a, b in pairwise(stage.dialled)]
    told = ", ".join(f"{wait:.2f}" for wait in waits)
    for attempt, wait in enumerate(waits):
        longest = longest_wait(attempt)
        holds(wait <= longest + _SLACK, f"attempt {attempt + 1} within {longest:g} s", told)
    # Five draws are hardly ever all so small: once in millions of runs.
    holds(sum(waits) >= 0.05, "waits between the attempts", told)


@_scene("closes")
async def goaway_is_honoured(stage: Stage) -> None:
    """After goaway it waits for at least half of retry_after_seconds before it comes back."""
    peer = await stage.follow()
    await stage.heard(peer)
    await peer.say({"type": "goaway", "retry_after_seconds": 3.0})
    await trio.sleep(0.2)  # for the client to hear of it
    await peer.close(4001)
    closed = trio.current_time()
    peer = await stage.greet()
    waited = trio.current_time() - closed
    if waited < 1.5:
        raise Violation("a wait of at least 1.5 s", f"{waited:.2f} s")
    await peer.expect("attach", thread=SCRIPT, cursor=stage.cursor)


SCENES: Final[tuple[Scene, ...]] = tuple(_scenes)
