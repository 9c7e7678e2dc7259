"""How a turn ends, and what its handler can and cannot do to others."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from runtime_world import LIMITS, FakeJournal, Now, open_world
from trio.testing import MockClock

from actors import CancelOutcome, Rejected, Turn, TurnFailed, TurnState, open_runtime

if TYPE_CHECKING:
    from actors.journal.contract import Append, Claim, HistoryPage


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


async def test_a_handler_reaches_other_threads() -> None:
    async def handler(turn: Turn) -> None:
        if turn.thread == "expert":
            await turn.write("42")
            return
        async with turn.runtime.thread("expert").ask(turn.text) as answer:
            async for piece in answer:
                await turn.write(piece)

    async with open_world(handler) as world:
        assert await world.ends(await world.asked("What is the answer?")) == "completed"
        assert await world.journal.said() == "42"
        history = await world.thread("expert").history()
    assert [item.kind for item in history.items] == ["message", "answer"]


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
    "an interrupt of its own": (
        KeyboardInterrupt(),
        "KeyboardInterrupt",
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
    assert "handler is no async function: it returned nothing" in caplog.text


async def test_a_handler_that_returns_its_answer_is_named_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    """It wrote nothing, so nobody sees anything; one that returns what it wrote is at liberty."""

    async def forgetful(turn: Turn) -> Any:
        return "the answer"

    async def thorough(turn: Turn) -> Any:
        await turn.write("the answer")
        return "the answer"

    for handler in (thorough, forgetful):
        async with open_world(handler) as world:
            for _ in range(2):
                assert await world.ends(await world.asked()) == "completed"
    (said,) = [each.getMessage() for each in caplog.records if "returned text" in each.getMessage()]
    assert "forgetful returned text and wrote none" in said


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
