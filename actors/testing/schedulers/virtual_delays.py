"""Virtual delays: every port waits for a drawn number of ticks before it goes on.

The default explorer. Time is virtual, so a delay costs nothing but its place in the order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import trio

from ..schedule import TICK, TICKS
from ..tape import Tape

if TYPE_CHECKING:
    from ..schedule import Schedule
    from ..virtual_clock import VirtualClock

T = TypeVar("T")


class VirtualDelays:
    """Delays read from a schedule's tape.

    Args:
        schedule: the tape, and what its choices mean.
        clock: the one that the run lives by.
    """

    def __init__(self, schedule: Schedule, clock: VirtualClock) -> None:
        self._clock = clock
        self._tape = Tape(schedule.tape)
        self._ticks = TICKS[schedule.delays]
        self._trips = tuple((t, 0) for t in self._ticks) + tuple((0, t) for t in self._ticks)
        self._waiting = 0
        self._calm = False
        self._moved = trio.lowlevel.ParkingLot()

    async def step(self) -> None:
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
        self._waiting += 1
        try:
            await trio.sleep(ticks * TICK)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._moved.unpark_all()

    def calm(self) -> None:
        """Delay nothing from now on: the faults are off."""
        self._calm = True

    async def quiet(self) -> None:
        """Wait until nobody waits for a delay and every task is blocked: quiescence.

        Timers do not count; what waits for one is at rest.
        """
        while True:
            await self._clock.all_blocked()
            if not self._waiting:
                return
            await self._moved.park()
