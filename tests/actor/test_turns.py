"""Running one turn: how it ends, and what its handler can and cannot do to others."""

from __future__ import annotations

import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import LIMITS, FakeJournal, Holds, Now, World, open_world
from trio.testing import MockClock

from actors import (
    CancelOutcome,
    Limits,
    Rejected,
    ThreadKind,
    Turn,
    TurnDelta,
    TurnFailed,
    TurnItem,
    TurnOver,
    TurnState,
    open_runtime,
)
from actors.core.event_codec import decode

if TYPE_CHECKING:
    from actors.journal.contract import Append, Claim, HistoryPage

# How a turn ends


async def test_a_function_writes_its_answer(autojump_clock: MockClock) -> None:
    async def handler(turn: Turn) -> None:
        for piece in ("hel", "lo"):
            await turn.write(piece)

    async with open_world(handler) as world:
        settled = await world.thread().outcome(await world.asked("hi"))
    assert settled.state is TurnState.COMPLETED
    assert [item.body.get("text") for item in settled.items] == [None, "hello"]


async def test_a_generator_yields_its_answer(autojump_clock: MockClock) -> None:
    async def handler(turn: Turn) -> AsyncIterator[str]:
        yield turn.text
        await trio.sleep(1)
        yield "!"

    async with open_world(handler) as world:
        assert await world.ends(await world.asked("hi")) == "completed"
        assert await world.journal.said() == "hi!"


async def test_a_generator_that_is_cancelled_is_closed_before_the_turn_ends(
    autojump_clock: MockClock,
) -> None:
    """I6: settled means that the handler's `finally` has run."""
    left: list[str] = []

    async def handler(turn: Turn) -> AsyncIterator[str]:
        try:
            yield "one"
            await trio.sleep_forever()
        finally:
            left.append("closed")

    async with open_world(handler) as world:
        await world.asked()
        await trio.sleep(1)
        cancelled = await world.thread().cancel()
        assert (cancelled.outcome, left) == (CancelOutcome.CANCELLED, ["closed"])


async def test_an_iterator_that_is_no_generator_does_as_well(autojump_clock: MockClock) -> None:
    class Pieces:
        def __init__(self) -> None:
            self.left = ["a", "b"]

        def __aiter__(self) -> Pieces:
            return self

        async def __anext__(self) -> str:
            await trio.lowlevel.checkpoint()
            if not self.left:
                raise StopAsyncIteration
            return self.left.pop(0)

    async with open_world(lambda _: Pieces()) as world:
        assert await world.ends(await world.asked()) == "completed"
        assert await world.journal.said() == "ab"


class LibraryFailed(BaseException):
    """As `asyncio.CancelledError`: an error that is no `Exception`."""


async def a_nursery_that_fails(error: BaseException) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.sleep_forever)
        raise error


SECRET = "/home/ann/secret.txt"
FAILURES: dict[str, tuple[BaseException, str, str]] = {
    "an exception": (
        OSError(SECRET),
        "OSError",
        "the handler failed; the server's log says how",
    ),
    "words for everybody": (TurnFailed("overloaded", "try later"), "overloaded", "try later"),
    "a refusal": (Rejected("too_large", "too much"), "too_large", "too much"),
    "leaving the program": (
        SystemExit(3),
        "SystemExit",
        "the handler failed; the server's log says how",
    ),
    "an error that is no Exception": (
        LibraryFailed(SECRET),
        "LibraryFailed",
        "the handler failed; the server's log says how",
    ),
    "words that are none": (TurnFailed(5, None), "5", "None"),  # type: ignore[arg-type]  # on purpose
    "words that no peer could read": (TurnFailed("x", "a\ud800b"), "x", "a?b"),
    "too many words": (TurnFailed("x", "y" * 5_000_000), "x", "y" * LIMITS.failure_chars),
}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", FAILURES)
async def test_a_failing_handler_ends_its_turn_and_nothing_else(
    autojump_clock: MockClock, name: str, nested: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """I10; what else was raised than words for everybody stays in the log."""
    error, shown_error, shown_message = FAILURES[name]

    async def handler(turn: Turn) -> None:
        await turn.write("half")
        if turn.text == "fail":
            await (a_nursery_that_fails(error) if nested else raised(error))

    async def raised(error: BaseException) -> None:
        await trio.lowlevel.checkpoint()
        raise error

    async with open_world(handler) as world:
        turn = await world.asked("fail")
        assert await world.ends(turn) == "failed"
        assert await world.ends(await world.asked("go on")) == "completed"
        assert world.runtime.statistics().restarts == 0
    ending = next(e for e in await world.journal.events() if getattr(e, "error", None))
    assert (ending.error, ending.message) == (shown_error, shown_message)
    assert SECRET not in ending.message
    assert f"turn {turn} of thread t failed" in caplog.text


async def test_a_handler_that_is_none_fails_its_turn(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(turn: Turn) -> Any:
        return None

    async with open_world(handler) as world:
        assert await world.ends(await world.asked()) == "failed"
    assert "TypeError" in caplog.text


async def test_a_handler_that_breaks_while_it_is_stopped_ends_as_it_was_told(
    autojump_clock: MockClock,
) -> None:
    """I6, I10: the first ending decided wins; its nursery's other errors are nobody's."""

    async def breaks_on_the_way_out() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("cleanup failed")

    async def handler(turn: Turn) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(breaks_on_the_way_out)
            await turn.write("half")
            await trio.sleep_forever()

    async with open_world(handler) as world:
        turn = await world.asked()
        await trio.sleep(1)
        assert (await world.thread().cancel()).outcome is CancelOutcome.CANCELLED
        assert await world.ends(turn) == "cancelled"
        assert world.runtime.statistics().restarts == 0


class CtrlC(FakeJournal):
    """A journal in one of whose calls Ctrl-C is pressed, in whatever task makes it."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def pressed(self, where: str) -> None:
        if self.where == where:
            self.where = ""
            signal.raise_signal(signal.SIGINT)

    async def claim(self, thread: str) -> Claim:
        self.pressed("claim")
        return await super().claim(thread)

    async def append(self, append: Append) -> None:
        self.pressed("append")
        await super().append(append)

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        self.pressed("history")
        return await super().history(thread, before, limit, limit_bytes)

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        self.pressed("compact")
        return await super().compact(ended_before, keys_before, limit)


@pytest.mark.parametrize("where", ["handler", "claim", "append", "history", "compact", "grace"])
def test_ctrl_c_goes_to_the_program_and_never_into_an_actor(where: str) -> None:
    """Whichever task it meets, it is the main task's, and the runtime drains."""
    journal = CtrlC(where)

    async def handler(turn: Turn) -> None:
        journal.pressed("handler")
        await turn.write("said")
        await trio.sleep_forever()

    async def main() -> None:
        async with open_runtime(journal, on_turn=handler, limits=LIMITS, clock=Now()) as runtime:
            await runtime.thread("t").submit("hi")
            await trio.sleep(200)
            journal.pressed("grace")
            await trio.sleep_forever()

    async def look() -> tuple[str, list[tuple[str, str]]]:
        return await journal.said(), await journal.endings()

    with pytest.raises(KeyboardInterrupt):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    said, endings = trio.run(look)
    assert said in ("", "said")
    # Where it came before the submit was durable, that was cancelled with its caller.
    assert [ending for _, ending in endings] in ([], ["interrupted"])


# Deadlines and grace


async def sleeps(turn: Turn) -> None:
    await turn.write("begun")
    await trio.sleep_forever()


async def test_a_turn_that_takes_too_long_times_out(autojump_clock: MockClock) -> None:
    """H11, B8: the deadline counts from its start."""

    async def writes_on(turn: Turn) -> None:
        while True:
            await turn.write("x")
            await trio.sleep(1)

    kind = ThreadKind(on_turn=writes_on, deadline=10, no_progress=5)
    async with open_world(kind=kind) as world:
        began = trio.current_time()
        assert await world.ends(await world.asked()) == "timed_out"
        assert trio.current_time() - began == pytest.approx(10, abs=0.5)
    [ending] = [e for e in await world.journal.events() if getattr(e, "reason", None)]
    assert ending.reason == "deadline"
    assert await world.journal.said() == "x" * 10


async def test_a_turn_that_says_nothing_times_out_but_not_one_that_goes_on_saying(
    autojump_clock: MockClock,
) -> None:
    async def pauses(turn: Turn) -> None:
        for _ in range(3):
            await turn.write("x")
            await trio.sleep(4)
        await trio.sleep_forever()

    kind = ThreadKind(on_turn=pauses, deadline=None, no_progress=5)
    async with open_world(kind=kind) as world:
        began = trio.current_time()
        assert await world.ends(await world.asked()) == "timed_out"
        assert trio.current_time() - began == pytest.approx(4 + 4 + 5, abs=0.5)
    [ending] = [e for e in await world.journal.events() if getattr(e, "reason", None)]
    assert ending.reason == "no_progress"


@pytest.mark.parametrize(
    ("deadline", "no_progress", "reason"), [(6, 5, "deadline"), (None, 6, "no_progress")]
)
async def test_the_reason_is_the_limit_that_was_reached(
    autojump_clock: MockClock, deadline: float | None, no_progress: float, reason: str
) -> None:
    async def writes_once(turn: Turn) -> None:
        await trio.sleep(1 if deadline else 0)
        await turn.write("x")
        await trio.sleep_forever()

    kind = ThreadKind(on_turn=writes_once, deadline=deadline, no_progress=no_progress)
    async with open_world(kind=kind) as world:
        await world.ends(await world.asked())
    [ending] = [e for e in await world.journal.events() if getattr(e, "reason", None)]
    assert ending.reason == reason


async def test_without_limits_a_turn_may_wait_for_ever(autojump_clock: MockClock) -> None:
    async def patient(turn: Turn) -> None:
        await trio.sleep(80_000)

    kind = ThreadKind(on_turn=patient, deadline=None, no_progress=None)
    async with open_world(kind=kind) as world:
        assert await world.ends(await world.asked()) == "completed"


class Stubborn:
    """A handler that swallows its cancellation, and tries its handle afterwards."""

    def __init__(self, stays: float) -> None:
        self.stays = stays
        self.refused: list[str] = []
        self.released = trio.Event()

    async def __call__(self, turn: Turn) -> None:
        if turn.text != "stay":
            await turn.write("fine")
            return
        await turn.write("begun")
        with trio.CancelScope(shield=True):
            with trio.move_on_after(self.stays):
                await self.released.wait()
            await self.try_everything(turn)

    async def try_everything(self, turn: Turn) -> None:
        calls = {
            "write": lambda: turn.write("late"),
            "write nothing": lambda: turn.write(""),
            "think": lambda: turn.think("late"),
            "item": lambda: turn.item("note", 1),
            "tool_call": lambda: turn.tool_call("f", {}),
            "tool_result": lambda: turn.tool_result("x", 1),
            "flush": turn.flush,
        }
        for name, call in calls.items():
            try:
                await call()
            except TurnOver:
                self.refused.append(name)


EVERY_CALL = ["write", "write nothing", "think", "item", "tool_call", "tool_result", "flush"]


async def test_a_handler_that_will_not_stop_is_abandoned_and_the_thread_goes_on(
    autojump_clock: MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """B9, B14, I1, I6, I7, I20: its handle refuses every call; the queue moves on."""
    handler = Stubborn(stays=1000)
    async with open_world(handler) as world:
        stuck = await world.started("stay")
        queued = await world.asked("next", on_busy="queue")
        began = trio.current_time()
        cancelled = await world.thread().cancel(stuck)
        assert cancelled.outcome is CancelOutcome.ABANDONED
        assert trio.current_time() - began == pytest.approx(5, abs=0.1)
        assert world.runtime.statistics().abandoned == (("t", stuck),)
        assert await world.ends(queued) == "completed"
        assert await world.ends(await world.asked("again")) == "completed"
        assert (await world.thread().cancel(stuck)).outcome is CancelOutcome.ALREADY_ENDED
        handler.released.set()
        await trio.sleep(1)
        assert handler.refused == EVERY_CALL
        assert world.runtime.statistics().abandoned == ()
        assert world.runtime.statistics().restarts == 0
    assert "runtime_world" not in caplog.text
    assert f"turn {stuck}, thread t, did not stop within 5 s" in caplog.text
    assert "Stubborn" in caplog.text
    endings = [e for e in await world.journal.events() if getattr(e, "state", None)]
    assert [(e.turn, e.abandoned) for e in endings][:2] == [(stuck, True), (queued, False)]
    assert await world.journal.said(turn=stuck) == "begun"


async def test_a_handler_that_stops_within_its_grace_is_not_abandoned(
    autojump_clock: MockClock,
) -> None:
    handler = Stubborn(stays=4.9)
    async with open_world(handler) as world:
        await world.started("stay")
        assert (await world.thread().cancel()).outcome is CancelOutcome.CANCELLED
        assert handler.refused == EVERY_CALL
        assert world.runtime.statistics().abandoned == ()


@pytest.mark.parametrize("_", range(12))
async def test_a_handler_that_stops_at_the_very_end_of_its_grace_is_one_or_the_other(
    autojump_clock: MockClock, _: int
) -> None:
    """I2: both come in one tick of the clock, in an order that trio draws; one is reported."""

    async def handler(turn: Turn) -> None:
        if turn.text == "stay":
            with trio.CancelScope(shield=True):
                await trio.sleep(5)

    async with open_world(handler) as world:
        first = await world.started("stay")
        second = await world.asked("next", on_busy="queue")
        cancelled = await world.thread().cancel(first)
        assert cancelled.outcome in (CancelOutcome.CANCELLED, CancelOutcome.ABANDONED)
        assert await world.ends(second) == "completed"
        assert await world.ends(await world.asked("more")) == "completed"
        assert world.runtime.statistics().abandoned == ()


async def test_a_kind_may_have_a_grace_of_its_own(autojump_clock: MockClock) -> None:
    handler = Stubborn(stays=50)
    async with open_world(kind=ThreadKind(on_turn=handler, cancel_grace=60)) as world:
        await world.started("stay")
        assert (await world.thread().cancel()).outcome is CancelOutcome.CANCELLED


async def test_a_deadline_that_nobody_heeds_is_an_abandoned_turn_that_timed_out(
    autojump_clock: MockClock,
) -> None:
    """H11, B8: it has its one end all the same."""
    handler = Stubborn(stays=20)
    async with open_world(kind=ThreadKind(on_turn=handler, deadline=10)) as world:
        assert await world.ends(await world.asked("stay")) == "timed_out"
        assert len(world.runtime.statistics().abandoned) == 1
        await trio.sleep(30)
        assert world.runtime.statistics().abandoned == ()


# Worker threads: the one place where a real clock is needed.


def test_a_worker_thread_that_may_be_left_is_left() -> None:
    """A blocking library under `abandon_on_cancel=True`: the turn ends at once."""
    go_on = threading.Event()

    async def handler(turn: Turn) -> None:
        await turn.write("begun")
        await trio.to_thread.run_sync(go_on.wait, abandon_on_cancel=True)

    async def main() -> None:
        async with open_world(handler) as world:
            turn = await world.started()
            with trio.fail_after(5):
                assert (await world.thread().cancel(turn)).outcome is CancelOutcome.CANCELLED
        go_on.set()

    trio.run(main)


def test_a_worker_thread_that_may_not_be_left_is_abandoned_with_its_turn() -> None:
    """B10, B14, I1: the thread goes on, and the worker's late answer goes nowhere (I7)."""
    go_on = threading.Event()
    over = trio.Event()
    refused: list[bool] = []

    async def handler(turn: Turn) -> None:
        if turn.text == "next":
            await turn.write("fine")
            return
        await trio.to_thread.run_sync(go_on.wait)
        try:
            with trio.CancelScope(shield=True):
                await turn.write("late")
        except TurnOver:
            refused.append(True)
        over.set()

    async def main() -> None:
        kind = ThreadKind(on_turn=handler, cancel_grace=0.05)
        async with open_world(kind=kind) as world:
            stuck = await world.started("block")
            with trio.fail_after(5):
                assert (await world.thread().cancel(stuck)).outcome is CancelOutcome.ABANDONED
                assert await world.ends(await world.asked("next")) == "completed"
            assert world.runtime.statistics().abandoned == (("t", stuck),)
            go_on.set()
            with trio.fail_after(5):
                await over.wait()
            await trio.testing.wait_all_tasks_blocked()
            assert world.runtime.statistics().abandoned == ()
        assert refused == [True]
        assert await world.journal.said() == "fine"

    trio.run(main)


# Writing


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
    "no text at all": ("write", (5,), AttributeError, "encode"),
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
