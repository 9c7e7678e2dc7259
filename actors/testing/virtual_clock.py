"""A clock that stands still while anything can run, and jumps when nothing can.

What `trio.testing.MockClock(autojump_threshold=0)` does, at a fraction of the cost: trio asks how
long to sleep only when no task can run, and that is when this one has a scheduler say what is next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NoReturn

import trio

if TYPE_CHECKING:
    from .schedulers.scheduler import Scheduler

# Readings of the clock while it stands still; more only where tasks keep each other busy for ever.
# Trio reads it once a round, and the tasks of a run a few times in all.
READINGS: Final = 10_000
# Real seconds of one wait for something outside, and how many of them there are in a run.
REAL_SECONDS: Final = 0.01
WAITS: Final = 300

# What is left of runs that were broken off.
_REMAINS: Final[list[object]] = []


class Endless(Exception):
    """A task goes on for ever, whoever cancels it, so the run cannot come to its end."""


class VirtualClock(trio.abc.Clock):
    """Virtual time, from nought. Sockets and worker threads are overtaken by it.

    Args:
        scheduler: says what comes next when nothing can run.

    Attributes:
        failure: what the scheduler raised, which it must not: trio's loop would not survive it.
            From then on time jumps from timer to timer.
        endless: why the run had to be broken off, in a sentence; None where it had not.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.failure: Exception | None = None
        self.endless: str | None = None
        self._scheduler = scheduler
        self._now = 0.0
        self._readings = 0
        self._waits = 0
        self._until = math.inf
        self._give_up: Callable[[], None] = _nobody

    def start_clock(self) -> None:
        """See `trio.abc.Clock`."""

    def current_time(self) -> float:
        """Return the virtual time."""
        self._readings += 1
        if self._readings == READINGS:
            self._lose_patience()
        if self._readings >= 2 * READINGS:
            self._break_off("a task heeds no cancellation and lets nobody rest")
        return self._now

    def patience(self, seconds: float, give_up: Callable[[], None]) -> None:
        """Call `give_up` once, when nothing is left to do within so many virtual seconds.

        Also where tasks keep each other busy and time stands still. `give_up` must not raise.
        """
        self._until = self._now + seconds
        self._give_up = give_up

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Have what is next become possible, and jump to its time; trio calls it when idle."""
        self._readings = 0
        following = self._next(deadline if deadline <= self._until else math.inf)
        if following > self._until:
            self._lose_patience()
        elif following == math.inf:
            return self._wait_for_the_world()
        else:
            self._now = max(self._now, following)
        return 0.0

    def _wait_for_the_world(self) -> float:
        """Give what is outside some real time: a worker thread, or a generator's finaliser."""
        self._waits += 1
        if self._waits == WAITS:
            self._break_off("a task waits for ever under a shield")
        return REAL_SECONDS

    def _break_off(self, why: str) -> NoReturn:
        # Nothing but an error in its clock stops a loop of trio's with a task that will not stop.
        self.endless = why
        # Its tasks cannot be closed without their loop, so they must not be collected either.
        _REMAINS.append(trio.lowlevel.current_root_task())
        raise Endless(why)

    def _next(self, deadline: float) -> float:
        if self.failure is None:
            try:
                return self._scheduler.next(self._now, deadline)
            except Exception as exc:  # raised once trio's loop is left behind
                self.failure = exc
        return deadline

    def _lose_patience(self) -> None:
        self._until, give_up, self._give_up = math.inf, self._give_up, _nobody
        give_up()


def _nobody() -> None:
    """Stand for having no patience to lose."""
