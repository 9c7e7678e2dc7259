"""A turn that takes too long is stopped, within its grace or without it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from runtime_world import open_world
from stubborn import EVERY_CALL, Stubborn

from actors import CancelOutcome, ThreadKind, Turn, TurnOver

if TYPE_CHECKING:
    from trio.testing import MockClock


async def sleeps(turn: Turn) -> None:
    await turn.write("begun")
    await trio.sleep_forever()


async def test_a_turn_that_takes_too_long_times_out(autojump_clock: MockClock) -> None:
    """H11, B8: the deadline counts from its start."""

    async def writes_on(turn: Turn) -> None:
        while True:
            await turn.write("x")
            await trio.sleep(1)

    kind = ThreadKind(on_turn=writes_on, deadline=9.5, no_progress=5)  # between two pieces
    async with open_world(kind=kind) as world:
        began = trio.current_time()
        assert await world.ends(await world.asked()) == "timed_out"
        assert trio.current_time() - began == pytest.approx(9.5, abs=0.25)
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
