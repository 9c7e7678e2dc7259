"""Virtual delays: every port waits for a drawn number of ticks before it goes on.

The default explorer. Time is virtual, so a delay costs nothing but its place in the order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio
import trio.testing

from ..schedule import TICK, TICKS
from ..tape import Tape

if TYPE_CHECKING:
    from ..schedule import Schedule


class VirtualDelays:
    """Delays read from a schedule's tape.

    Args:
        schedule: the tape, and what its choices mean.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._tape = Tape(schedule.tape)
        self._ticks = TICKS[schedule.delays]
        self._waiting = 0
        self._calm = False
        self._moved = trio.lowlevel.ParkingLot()

    async def step(self) -> None:
        """Wait for the next delay of the tape; where that is nought, go on at once.

        Not a checkpoint then: the plain order is that of the code without any simulation.
        """
        ticks = 0 if self._calm else self._ticks[self._tape.next() % len(self._ticks)]
        if ticks == 0:
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
            await trio.testing.wait_all_tasks_blocked()
            if not self._waiting:
                return
            await self._moved.park()
