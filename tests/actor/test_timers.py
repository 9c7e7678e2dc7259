"""Timers of all who wait, and the place where one task sleeps."""

from __future__ import annotations

import math

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.sleeper import Sleeper
from actors.timers import Timers


class Waiter:
    """Remembers when it was nudged."""

    def __init__(self) -> None:
        self.nudged: list[float] = []

    def nudge(self) -> None:
        """Note the time."""
        self.nudged.append(trio.current_time())


plans = st.lists(
    st.tuples(
        st.integers(0, 20),  # begins to wait
        st.sampled_from([0, 1, 5, 30, math.inf]),  # for so long
        st.none() | st.integers(0, 40),  # and gives up after
    ),
    max_size=12,
)


@given(plan=plans)
def test_each_is_nudged_once_when_its_time_is_over(
    plan: list[tuple[int, float, int | None]],
) -> None:
    """Whoever gives up before its time is not nudged, everybody else is, at that very time."""

    async def wait(timers: Timers, began: int, seconds: float, leaves: int | None) -> None:
        waiter = Waiter()
        await trio.sleep_until(start + began)
        timers.start(waiter, seconds)
        await trio.sleep(100 if leaves is None else leaves + 0.5)
        overdue = leaves is None or seconds < leaves + 0.5
        assert timers.stop(waiter, seconds) is (seconds == math.inf or not overdue)
        due = [start + began + seconds] if overdue and seconds != math.inf else []
        assert waiter.nudged == pytest.approx(due)

    async def scene() -> None:
        nonlocal start
        timers, start = Timers(), trio.current_time()
        async with trio.open_nursery() as clock:
            clock.start_soon(timers.run)
            async with trio.open_nursery() as waiters:
                for each in plan:
                    waiters.start_soon(wait, timers, *each)
            clock.cancel_scope.cancel()

    start = 0.0
    trio.run(scene, clock=MockClock(autojump_threshold=0))


async def test_a_sleeper_wakes_once_and_may_be_cancelled() -> None:
    """A wake that nobody waits for is lost, and a cancelled sleep leaves the place free."""
    sleeper, woken = Sleeper(), 0
    sleeper.wake()

    async def sleep() -> None:
        nonlocal woken
        await sleeper.sleep()
        woken += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleep)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleep)
        await wait_all_tasks_blocked()
        assert woken == 0
        sleeper.wake()
        sleeper.wake()
    assert woken == 1
