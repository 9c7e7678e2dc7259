"""Virtual delays: every port waits for a drawn number of ticks before it goes on.

The default explorer. Time is virtual, so a delay costs nothing but its place in the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import TYPE_CHECKING, TypeVar

import trio

from ..schedule import TICK, TICKS, Delays
from .quiescence import Quiescence

if TYPE_CHECKING:
    from ..tape import Tape

T = TypeVar("T")


class VirtualDelays:
    """Delays read from a tape.

    Sleepers are kept here and not in trio: waking one by a deadline costs five times as much.

    Args:
        tape: where the delays are read from.
        delays: what its choices mean.
    """

    def __init__(self, tape: Tape, delays: Delays) -> None:
        self._tape = tape
        self._ticks = TICKS[delays]
        self._trips = tuple((t, 0) for t in self._ticks) + tuple((0, t) for t in self._ticks)
        self.slowest: float = max(self._ticks)
        self._calm = False
        self._sleepers: list[tuple[float, int]] = []  # when each wakes, and its number
        self._tasks: dict[int, trio.lowlevel.Task] = {}
        self._number = 0
        self._quiescence = Quiescence()

    async def step(self, label: str = "") -> None:
        """Wait for the next delay of the tape; where that is nought, go on at once.

        Not a checkpoint then: the plain order is that of the code without any simulation.
        """
        await self.wait(self.choose(self._ticks))

    def trip(self) -> tuple[int, int]:
        """Return the delays of a call, in ticks: on its way there, and on its way back.

        One of them is nought: that tells apart what may happen between, at half the choices.
        """
        return self.choose(self._trips)

    def choose(self, among: Sequence[T]) -> T:
        """Return what the tape chooses; the first of them is the plain choice."""
        return among[0 if self._calm else self._tape.next() % len(among)]

    async def wait(self, ticks: int) -> None:
        """Wait for so many ticks; go on at once where there are none, or the faults are off."""
        if ticks == 0 or self._calm:
            return
        self._number = number = self._number + 1
        heappush(self._sleepers, (trio.current_time() + ticks * TICK, number))
        self._tasks[number] = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            del self._tasks[number]
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    def calm(self) -> None:
        """Delay nothing from now on: the faults are off."""
        self._calm = True

    async def quiet(self) -> None:
        """Wait until nobody waits for a delay and every task is blocked: quiescence.

        Timers do not count; what waits for one is at rest.
        """
        await self._quiescence.reached()

    def next(self, now: float, deadline: float) -> float:
        """Wake whoever waits for quiescence, or those whose delay is over first."""
        sleepers = self._sleepers
        while sleepers and sleepers[0][1] not in self._tasks:
            heappop(sleepers)
        if not sleepers:
            return now if self._quiescence.awaited() else deadline
        following = min(sleepers[0][0], deadline)
        while sleepers and sleepers[0][0] <= following:
            task = self._tasks.pop(heappop(sleepers)[1], None)
            if task is not None:
                trio.lowlevel.reschedule(task)
        return following
