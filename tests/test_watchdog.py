"""Code that holds the event loop is named by the watchdog; on a real clock, which it goes by."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio

from actors import Limits, Turn, open_runtime
from actors.journal.memory import MemoryJournal
from actors.watchdog import run_watchdog

LIMITS = Limits(watchdog_seconds=0.2)
HERE = __name__


def sleep_in_the_loop(seconds: float) -> None:
    time.sleep(seconds)  # the line that is to be named


def spin(seconds: float) -> None:
    over = time.monotonic() + seconds
    while time.monotonic() < over:
        pass


async def sleeps(turn: Turn) -> None:
    await turn.write("begun")
    sleep_in_the_loop(0.5)
    await turn.write("done")


async def spins(turn: Turn) -> None:
    spin(0.5)


async def generates(turn: Turn) -> AsyncIterator[str]:
    yield "begun"
    sleep_in_the_loop(0.5)
    yield "done"


def line_of(function: Any) -> int:
    return int(function.__code__.co_firstlineno)


def messages(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "holdfast" and r.levelno == level]


async def ask(on_turn: Any, *, watchdog: bool = True, times: int = 1) -> None:
    async with open_runtime(
        MemoryJournal(), on_turn=on_turn, limits=LIMITS, watchdog=watchdog
    ) as runtime:
        for _ in range(times):
            receipt = await runtime.thread("t").submit("go", on_busy="queue")
            await runtime.thread("t").outcome(receipt.turn)
            await trio.sleep(0.1)  # so that the worker thread sees that it is over


@pytest.mark.parametrize(
    ("handler", "below"),
    [(sleeps, sleep_in_the_loop), (spins, spin), (generates, sleep_in_the_loop)],
)
def test_the_handler_and_its_line_are_named_once_and_how_long_it_took(
    caplog: pytest.LogCaptureFixture, handler: Any, below: Any
) -> None:
    trio.run(ask, handler)
    [blocked] = messages(caplog, logging.ERROR)
    [over] = messages(caplog, logging.WARNING)
    first, _, stack = blocked.partition("\n")
    assert f"handler {HERE}.{handler.__name__} ({__file__}:" in first
    at = re.search(rf"at {re.escape(__file__)}:(\d+)$", first)
    assert at is not None
    assert line_of(below) < int(at[1]) <= line_of(below) + 4
    assert f"in {handler.__name__}" in stack
    assert "pytest" not in stack  # what lies outside the loop is not to blame
    assert stack.rstrip().splitlines()[-2].endswith(f"in {below.__name__}")
    took = re.search(r"after (\d\.\d\d) s", over)
    assert took is not None
    assert 0.4 < float(took[1]) < 5


def test_it_notices_within_the_time_that_the_limit_says(caplog: pytest.LogCaptureFixture) -> None:
    trio.run(ask, sleeps)
    [blocked] = messages(caplog, logging.ERROR)
    held = re.search(r"no progress for (\d\.\d\d) s", blocked)
    assert held is not None
    assert float(held[1]) >= LIMITS.watchdog_seconds
    [began] = [r for r in caplog.records if r.levelno == logging.ERROR]
    [over] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert began.created < over.created
    assert began.threadName == "holdfast.watchdog"


def test_every_blockage_is_one_report(caplog: pytest.LogCaptureFixture) -> None:
    async def short(turn: Turn) -> None:
        sleep_in_the_loop(0.4)

    async def main() -> None:
        await ask(short, times=2)

    trio.run(main)
    assert len(messages(caplog, logging.ERROR)) == 2
    assert len(messages(caplog, logging.WARNING)) == 2


def test_a_handler_that_waits_as_it_should_is_not_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def waits(turn: Turn) -> None:
        await turn.write("begun")
        await trio.sleep(0.4)
        await trio.to_thread.run_sync(time.sleep, 0.4)

    trio.run(ask, waits)
    assert messages(caplog, logging.ERROR) == []


def test_without_it_nothing_is_watched_and_that_is_the_default(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A virtual clock has no use for it."""

    async def main() -> None:
        async with open_runtime(MemoryJournal(), on_turn=sleeps, limits=LIMITS):
            assert "holdfast.watchdog" not in {thread.name for thread in threading.enumerate()}
        await ask(sleeps, watchdog=False)

    trio.run(main)
    assert messages(caplog, logging.ERROR) == []


def test_a_task_that_is_no_handler_is_named_by_its_own_function(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def holds() -> None:
        await trio.sleep(0.05)
        sleep_in_the_loop(0.4)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_watchdog, LIMITS)
            nursery.start_soon(holds)
            await trio.sleep(0.6)
            nursery.cancel_scope.cancel()

    trio.run(main)
    [blocked] = messages(caplog, logging.ERROR)
    assert f"task {HERE}." in blocked
    assert "holds (" in blocked
    assert len(messages(caplog, logging.WARNING)) == 1


def test_cancelling_it_leaves_no_thread_behind_and_reports_the_end_of_what_it_had_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_watchdog, LIMITS)
            await trio.sleep(0.05)
            assert "holdfast.watchdog" in {thread.name for thread in threading.enumerate()}
            sleep_in_the_loop(0.4)
            nursery.cancel_scope.cancel()
        assert "holdfast.watchdog" not in {thread.name for thread in threading.enumerate()}

    trio.run(main)
    assert len(messages(caplog, logging.ERROR)) == 1
    assert len(messages(caplog, logging.WARNING)) == 1


def test_threads_beside_the_blocked_one_go_on_afterwards() -> None:
    """It cannot be isolated in process; what is promised is that it is named, and then over."""

    async def main() -> None:
        async with open_runtime(
            MemoryJournal(), on_turn=sleeps, limits=LIMITS, watchdog=True
        ) as runtime:
            turns = {name: (await runtime.thread(name).submit("go")).turn for name in ("a", "b")}
            for name, turn in turns.items():
                settled = await runtime.thread(name).outcome(turn)
                assert settled.items[1].body["text"] == "begundone"

    trio.run(main)
