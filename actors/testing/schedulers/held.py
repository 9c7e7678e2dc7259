"""Time that is held: it goes no further than it is told, so a run can be stepped from outside."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from .scheduler import Scheduler

T = TypeVar("T")


class Held:
    """Another scheduler's steps, on a time that stands still where nobody moves it.

    Args:
        inner: says who goes on; where it has somebody wait for a later step, time goes that far.

    Attributes:
        until: virtual seconds up to which timers may go off; infinite lets time run free.
        enough: says whether what time was let go for has come; it stands still from then on.
        idle: set where nobody can go on before time does.
    """

    def __init__(self, inner: Scheduler) -> None:
        self.until = 0.0
        self.enough: Callable[[], bool] = lambda: False
        self.idle = False
        self.slowest = inner.slowest
        self._inner = inner

    def next(self, now: float, deadline: float) -> float:
        """See `Scheduler.next`."""
        if self.enough():
            self.until = now
        following = self._inner.next(now, deadline if deadline <= self.until else math.inf)
        if following < math.inf:
            self.until = max(self.until, following)
            return following
        if now < self.until:
            return self.until
        self.idle = True
        return math.inf if self.until == math.inf else now

    async def step(self, label: str = "") -> None:
        """See `Scheduler.step`."""
        await self._inner.step(label)

    def trip(self) -> tuple[int, int]:
        """See `Scheduler.trip`."""
        return self._inner.trip()

    def choose(self, among: Sequence[T]) -> T:
        """See `Scheduler.choose`."""
        return self._inner.choose(among)

    async def wait(self, ticks: int) -> None:
        """See `Scheduler.wait`."""
        await self._inner.wait(ticks)

    def calm(self) -> None:
        """See `Scheduler.calm`."""
        self._inner.calm()

    async def quiet(self) -> None:
        """See `Scheduler.quiet`."""
        await self._inner.quiet()
