"""What a turn writes, and what it is given to read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import LIMITS, FakeJournal, Holds, World, open_world
from stubborn import EVERY_CALL, Stubborn

from actors import Limits, Rejected, ThreadKind, Turn, TurnDelta, TurnItem
from actors.actor.contexts import read_context
from actors.core.event_codec import decode

if TYPE_CHECKING:
    from trio.testing import MockClock

    from actors.journal.contract import HistoryPage


class Writer:
    """A handler that waits for its cue, and then writes pieces of a hundred bytes."""

    def __init__(self, pieces: int = 100) -> None:
        self.cue = trio.Event()
        self.pieces = pieces
        self.written = 0

    async def __call__(self, turn: Turn) -> None:
        await self.cue.wait()
        for _ in range(self.pieces):
            await turn.write("x" * 100)
            self.written += 1


@asynccontextmanager
async def held_up(handler: Writer, limits: Limits) -> AsyncIterator[tuple[World, str, Holds]]:
    """A turn that began to write while the journal takes nothing, and stands still by now."""
    journal = FakeJournal(limits=limits)
    async with open_world(handler, journal=journal, limits=limits) as world:
        turn = await world.asked()
        journal.on_append = holds = Holds()
        handler.cue.set()
        await trio.testing.wait_all_tasks_blocked()
        try:
            yield world, turn, holds
        finally:
            holds.gate.set()


@pytest.mark.parametrize(
    ("limits", "most"),
    [
        (Limits(turn_buffer_bytes=1000), 10),
        (Limits(turn_buffer_pieces=7), 7),
        (Limits(turn_buffer_bytes=1), 1),
    ],
)
async def test_writing_waits_where_the_journal_does(
    autojump_clock: MockClock, limits: Limits, most: int
) -> None:
    """I12: not durable is one buffer on its way to the disk and one behind it, no more."""
    handler = Writer()
    async with held_up(handler, limits) as (world, turn, holds):
        assert holds.waiting == 1
        assert most <= handler.written <= 2 * most
        holds.gate.set()
        assert await world.ends(turn) == "completed"
    assert handler.written == 100
    assert await world.journal.said() == "x" * 10_000


async def test_a_turn_that_ends_while_it_waits_to_write_is_told_so(
    autojump_clock: MockClock,
) -> None:
    """I6, I7: whoever waits for room is cancelled like everybody else; what was accepted stays."""
    handler = Writer()
    async with held_up(handler, Limits(turn_buffer_pieces=7)) as (world, turn, holds):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(world.thread().cancel, turn)
            await trio.testing.wait_all_tasks_blocked()
            holds.gate.set()
        assert await world.ends(turn) == "cancelled"
    assert await world.journal.said() == "x" * 100 * handler.written


async def test_a_handler_that_never_waits_lets_others_run(autojump_clock: MockClock) -> None:
    """Virtual time stands still, so it is the count of pieces that yields."""
    others: list[int] = []
    handler = Writer(pieces=1000)

    async def other() -> None:
        while handler.written < 1000:
            others.append(handler.written)
            await trio.lowlevel.checkpoint()

    async with open_world(handler) as world, trio.open_nursery() as nursery:
        turn = await world.asked()
        handler.cue.set()
        nursery.start_soon(other)
        assert await world.ends(turn) == "completed"
    longest = max(later - sooner for sooner, later in pairwise(others))
    assert longest <= 2 * LIMITS.write_burst_pieces  # who comes first in a tick is drawn


async def test_pieces_written_together_become_one_event_over_as_many_offsets(
    autojump_clock: MockClock,
) -> None:
    """Idea 5: one write, one offset."""

    async def handler(turn: Turn) -> None:
        await turn.write("")
        for piece in "abc":
            await turn.write(piece)
        await turn.think("hm")
        await turn.write("d")

    async with open_world(handler) as world:
        await world.ends(await world.asked())
    deltas = [e for e in await world.journal.events() if isinstance(e, TurnDelta)]
    assert [(d.item, d.channel, d.text) for d in deltas] == [
        ("t1.1", None, "abc"),
        ("t1.2", "reasoning", "hm"),
        ("t1.3", None, "d"),
    ]
    assert (await world.journal.loaded()).head.offset == 3 + 3 + 1 + 1 + 1


async def test_flush_returns_once_everything_said_is_durable(autojump_clock: MockClock) -> None:
    durable: list[str] = []

    async def handler(turn: Turn) -> None:
        for piece in "ab":
            await turn.write(piece)
            await turn.flush()
            durable.append(await said_so_far(journal))

    journal = FakeJournal()
    async with open_world(handler, journal=journal) as world:
        assert await world.ends(await world.asked()) == "completed"
    assert durable == ["a", "ab"]


async def said_so_far(journal: FakeJournal) -> str:
    deltas = (e for append in journal.appended for row in append.rows for e in [decode(row).event])
    return "".join(e.text for e in deltas if isinstance(e, TurnDelta))


async def test_a_tool_call_is_durable_before_the_tool_is_called(autojump_clock: MockClock) -> None:
    """A tool's side effect without a trace would be done twice by a retry."""
    seen: list[str] = []
    history: list[Any] = []

    async def handler(turn: Turn) -> None:
        if turn.text == "again":
            history.extend(turn.messages())
            return
        await turn.write("let me see")
        call = await turn.tool_call("look", {"q": "x"})
        rows = [row for append in journal.appended for row in append.rows]
        last = decode(rows[-1]).event
        seen.append(last.item if isinstance(last, TurnItem) else "")
        assert seen == [call]
        await turn.tool_result(call, ["found"])

    journal = FakeJournal()
    async with open_world(handler, journal=journal) as world:
        assert await world.ends(await world.asked()) == "completed"
        assert await world.ends(await world.asked("again")) == "completed"
    assert seen == ["t1.2"]
    roles = [message["role"] for message in history]
    assert roles == ["user", "assistant", "assistant", "tool", "user"]


REFUSALS: dict[str, tuple[str, tuple[Any, ...], type[Exception], str]] = {
    "a lone surrogate": ("write", ("\ud800",), UnicodeEncodeError, "surrogates"),
    "a lone surrogate in a thought": ("think", ("x\udfff",), UnicodeEncodeError, "surrogates"),
    "a piece that is too large": ("write", ("x" * 200,), Rejected, "too_large"),
    "a piece whose bytes are too many": ("write", ("é" * 60,), Rejected, "too_large"),
    "an item that is too large": ("item", ("note", "x" * 400), Rejected, "too_large"),
    "an item without a JSON form": ("item", ("note", object()), Rejected, "bad_request"),
    "an item that is nested too deep": ("item", ("note", [[[[1]]]]), Rejected, "bad_request"),
    "a kind that no peer could read": ("item", ("\ud800", 1), Rejected, "bad_request"),
    "a kind that is no word": ("item", (5, 1), Rejected, "bad_request"),
    "no kind": ("item", ("", 1), Rejected, "bad_request"),
    "a marker of its own": ("item", ("marker", 1), ValueError, "marker"),
    "an answer in one piece": ("item", ("answer", 1), ValueError, "answer"),
    "no text at all": ("write", (5,), TypeError, "expected str, got int"),
    "bytes": ("write", (b"x",), TypeError, "expected str, got bytes"),
    "nothing": ("think", (None,), TypeError, "expected str, got NoneType"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_what_cannot_be_said_is_refused_where_it_is_said(
    autojump_clock: MockClock, name: str
) -> None:
    """I10: a bad value is the handler's to deal with; it never reaches the actor."""
    method, args, error, words = REFUSALS[name]
    caught: list[Exception] = []

    async def handler(turn: Turn) -> None:
        await turn.write("before ")
        try:
            await getattr(turn, method)(*args)
        except error as exc:
            caught.append(exc)
        await turn.write("after")

    limits = Limits(piece_bytes=100, item_bytes=300, json_depth=4)
    async with open_world(handler, limits=limits) as world:
        assert await world.ends(await world.asked()) == "completed"
        assert world.runtime.statistics().restarts == 0
    assert await world.journal.said() == "before after"
    assert words in str(caught)


async def test_a_runaway_handler_ends_when_it_has_said_too_much(autojump_clock: MockClock) -> None:
    """I12."""

    async def handler(turn: Turn) -> None:
        while True:
            await turn.write("x" * 100)

    async with open_world(handler, limits=Limits(turn_output_bytes=1050)) as world:
        turn = await world.asked()
        assert await world.ends(turn) == "failed"
    assert await world.journal.said() == "x" * 1000
    [ending] = [e for e in await world.journal.events() if getattr(e, "error", None)]
    assert ending.error == "too_large"


async def test_a_turn_has_a_bounded_number_of_items(autojump_clock: MockClock) -> None:
    """I12: text that changes its channel with every piece is an item each time."""

    async def handler(turn: Turn) -> None:
        await turn.write("a")
        for _ in range(100):
            await turn.think("b")
            await turn.write("c")

    async with open_world(handler, limits=Limits(turn_items=10)) as world:
        turn = await world.asked()
        assert await world.ends(turn) == "failed"
        settled = await world.thread().outcome(turn)
    assert [item.kind for item in settled.items].count("answer") == 5
    assert len(settled.items) == 1 + 10 + 1


async def test_a_handle_that_outlives_its_turn_says_nothing_more(autojump_clock: MockClock) -> None:
    """W13, B14, I7."""
    kept: list[Turn] = []

    async def handler(turn: Turn) -> None:
        kept.append(turn)
        await turn.write("fine")

    async with open_world(handler) as world:
        await world.ends(await world.asked())
        await Stubborn(0).try_everything(kept[0])
        stubborn = Stubborn(0)
        await stubborn.try_everything(kept[0])
        assert stubborn.refused == EVERY_CALL
    assert await world.journal.said() == "fine"


async def test_a_turn_is_given_the_turns_that_ended_before_it_started(
    autojump_clock: MockClock,
) -> None:
    """I15: a queued message is not part of the context of the turn that it waits for."""
    given: dict[str, list[Any]] = {}

    async def handler(turn: Turn) -> None:
        given[turn.text] = [m["content"] for m in turn.messages()]
        assert turn.attempt == 1
        await turn.write(f"re {turn.text}")
        await trio.sleep(1)

    async with open_world(handler) as world:
        await world.asked("one")
        await world.asked("two", on_busy="queue")
        await world.ends(await world.asked("three", on_busy="queue"))
    assert given["one"] == ["one"]
    assert given["two"] == ["one", "re one", "two"]
    assert given["three"] == ["one", "re one", "two", "re two", "three"]


async def test_a_turns_context_is_bounded_newest_first(autojump_clock: MockClock) -> None:
    """I12."""
    given: list[Any] = []

    async def handler(turn: Turn) -> None:
        given[:] = [m["content"] for m in turn.messages()]
        await turn.write(f"re {turn.text}")

    limits = Limits(context_items=3, page_items_max=2)
    async with open_world(handler, limits=limits) as world:
        for n in range(5):
            await world.ends(await world.asked(str(n)))
    assert given == ["re 2", "3", "re 3", "4"]


class _NoHistory(FakeJournal):
    """A journal that nobody asks for history."""

    async def history(self, *args: Any, **more: Any) -> HistoryPage:
        raise AssertionError("history was read")


@pytest.mark.parametrize(("most", "shown"), [(2, ["3", "re 3", "4"]), (0, ["4"])])
async def test_a_kind_says_how_much_history_its_turns_are_given(
    most: int, shown: list[str], autojump_clock: MockClock
) -> None:
    given: list[Any] = []

    async def handler(turn: Turn) -> None:
        given[:] = [m["content"] for m in turn.messages()]
        await turn.write(f"re {turn.text}")

    async with open_world(kind=ThreadKind(on_turn=handler, context_items=most)) as world:
        for n in range(5):
            await world.ends(await world.asked(str(n)))
    assert given == shown


async def test_a_handler_that_asks_for_no_history_pays_for_none() -> None:
    assert await read_context("t", 10, _NoHistory(), LIMITS, 0) == ((), 0)


async def test_metadata_and_parts_reach_the_handler(autojump_clock: MockClock) -> None:
    seen: list[Any] = []

    async def handler(turn: Turn) -> None:
        seen.append((turn.text, turn.content, dict(turn.metadata), turn.thread, turn.id))

    parts = [
        {"type": "text", "text": "look"},
        {"type": "image", "url": "x"},
        {"type": "text", "text": "there"},
    ]
    async with open_world(handler) as world:
        await world.ends(await world.asked(parts, metadata={"a": 1}))  # type: ignore[arg-type]  # parts
        await world.ends(await world.asked("plain"))
    assert seen == [
        ("look\nthere", parts, {"a": 1}, "t", "t1"),
        ("plain", "plain", {}, "t", "t2"),
    ]
