"""A clock that stands still while anything can run, and jumps when nothing can.

What `trio.testing.MockClock(autojump_threshold=0)` does, at half the rounds of trio's loop: trio
asks how long to sleep only when no task can run, and that is when this one jumps.
"""

from __future__ import annotations

import math

import trio
import trio.testing


class VirtualClock(trio.abc.Clock):
    """Virtual time, from nought. Sockets and worker threads are overtaken by it."""

    def __init__(self) -> None:
        self._now = 0.0
        self._held = 0

    def start_clock(self) -> None:
        """See `trio.abc.Clock`."""

    def current_time(self) -> float:
        """Return the virtual time."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to the deadline, unless somebody waits for every task to be blocked."""
        if self._held or deadline == math.inf:
            return max(0.0, deadline - self._now)
        self._now = max(self._now, deadline)
        return 0.0

    async def all_blocked(self) -> None:
        """Wait until every other task is blocked, at the present time."""
        self._held += 1
        try:
            await trio.testing.wait_all_tasks_blocked()
        finally:
            self._held -= 1
