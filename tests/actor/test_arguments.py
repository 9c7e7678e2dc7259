"""What a caller gives that is of no use is refused to that caller, and costs nobody else (I10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from runtime_world import FakeJournal, open_world, refused, until_stopped

from actors import Mode, Snapshot, Truncation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trio.testing import MockClock

    from actors import Runtime, Thread, Turn

ODD: Any = 5
WRONG: dict[str, tuple[Callable[[Runtime, Thread], Awaitable[object]], str]] = {
    "a text to cut after": (lambda _, t: t.submit("x", truncate="t1.0"), "bad_request"),  # type: ignore[arg-type]  # the wire's form
    "a number to cut after": (lambda _, t: t.truncate(ODD), "bad_request"),
    "a number to fork after": (lambda _, t: t.fork("f", after=ODD), "bad_request"),
    "a number for a target": (lambda _, t: t.fork(ODD, after=None), "bad_request"),
    "a number for a turn": (lambda _, t: t.cancel(ODD), "turn_not_found"),
    "half a character for a turn": (lambda _, t: t.cancel("\ud800"), "turn_not_found"),
    "a number to roll back": (lambda _, t: t.cancel(rollback=ODD), "bad_request"),
    "a number to spare": (lambda _, t: t.delete(unless_used=ODD), "bad_request"),
    "an object to wait for": (lambda _, t: t.outcome(object()), "turn_not_found"),  # type: ignore[arg-type]  # the point
    "half a character to wait for": (lambda _, t: t.outcome("\ud800"), "turn_not_found"),
    "no items": (lambda _, t: t.history(limit=0), "bad_request"),
    "fewer items than none": (lambda _, t: t.history(limit=-1), "bad_request"),
    "items in words": (lambda _, t: t.history(limit="5"), "bad_request"),  # type: ignore[arg-type]  # as above
    "a place for an item": (lambda _, t: t.history(before=ODD), "item_not_found"),
    "no threads": (lambda r, _: r.threads(limit=0), "bad_request"),
    "fewer threads than none": (lambda r, _: r.threads(limit=-1), "bad_request"),
    "a number for a page": (lambda r, _: r.threads(after=ODD), "bad_request"),
    "a window below none": (lambda _, t: first(t, window=-1), "bad_request"),
    "true for a window": (lambda _, t: first(t, window=True), "bad_request"),
}


async def first(thread: Thread, after: Any = None, window: Any = None) -> object:
    async with thread.attach(after, window=window) as subscription:
        return await anext(subscription)


@pytest.mark.parametrize("what", WRONG)
async def test_it_is_refused_and_the_turn_goes_on(autojump_clock: MockClock, what: str) -> None:
    call, code = WRONG[what]
    async with open_world(until_stopped, journal=FakeJournal()) as world:
        await world.ends(await world.asked("quick"))
        turn = await world.started("first")
        assert await refused(call(world.runtime, world.thread())) == code
        assert world.runtime.statistics().restarts == 0
        await world.thread().cancel(turn)
        assert await refused(call(world.runtime, world.thread())) == code
        assert world.runtime.statistics().restarts == 0


async def test_more_than_there_may_be_is_as_much_as_there_may_be(
    autojump_clock: MockClock,
) -> None:
    async with open_world(until_stopped, journal=FakeJournal()) as world:
        await world.ends(await world.asked("quick"))
        assert len((await world.thread().history(limit=10**9)).items) == 2
        assert len((await world.runtime.threads(limit=10**9)).summaries) == 1
        shown = await first(world.thread(), window=0)
        assert isinstance(shown, Snapshot)
        assert shown.items == ()


async def test_whatever_is_no_cursor_begins_with_a_reset(autojump_clock: MockClock) -> None:
    async with open_world(until_stopped, journal=FakeJournal()) as world:
        shown = await first(world.thread(), ODD)
        assert isinstance(shown, Snapshot)
        assert (shown.mode, shown.reason) == (Mode.RESET, "unreadable")
        with pytest.raises(ValueError, match="not a thread id"):
            world.runtime.thread(ODD)
        nobodies: tuple[Any, ...] = (ODD, None, "", "\ud800", b"ann")
        for nobody in nobodies:
            with pytest.raises(ValueError, match="a principal is a text that is not empty, not"):
                world.runtime.thread("t", nobody)
        with pytest.raises(Exception, match="`after` is an item or null, not 5"):
            Truncation(ODD)


TOOLS: dict[str, Callable[[Turn], Awaitable[object]]] = {
    "a call that is a number": lambda turn: turn.item("tool_call", 5),
    "a call without arguments": lambda turn: turn.item("tool_call", {"name": "x"}),
    "a call with an id of its own": lambda turn: turn.item(
        "tool_call", {"name": "x", "arguments": 1, "item": "t9.1"}
    ),
    "a call of a number": lambda turn: turn.tool_call(ODD, {}),
    "a result of a number": lambda turn: turn.tool_result(ODD, {}),
}


@pytest.mark.parametrize("what", TOOLS)
async def test_an_item_of_a_tool_that_is_none_never_gets_into_the_history(
    autojump_clock: MockClock, what: str
) -> None:
    """I16: nothing that a handler says may make a thread unreadable."""
    codes: list[str] = []

    async def handler(turn: Turn) -> None:
        codes.append(await refused(TOOLS[what](turn)))
        await turn.write("said")

    async with open_world(handler, journal=FakeJournal()) as world:
        assert await world.ends(await world.asked("go")) == "completed"
        page = await world.thread().history()
    assert codes == ["bad_request"]
    assert [item.kind for item in page.items] == ["message", "answer"]
