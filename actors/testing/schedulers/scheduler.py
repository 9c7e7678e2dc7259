"""What every scheduler is: somebody whom the ports ask for leave to go on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Scheduler(Protocol):
    """Decides which of the steps that could come next does.

    A port is any place where real code would wait for something outside the process: the disk, the
    network, a model, another client.
    """

    @property
    def slowest(self) -> float:
        """How many ticks a step takes at the most; infinite where time may pass over it."""
        ...

    async def step(self, label: str = "") -> None:
        """Wait until it is one's turn to go on. Not a checkpoint where that is at once.

        Args:
            label: names who waits; a scheduler that sorts, sorts by it.

        Cancellation gives the place up.
        """
        ...

    def trip(self) -> tuple[int, int]:
        """Return how long a call takes on its way there and back, each to be handed to `wait`."""
        ...

    def choose(self, among: Sequence[T]) -> T:
        """Return one of them; the first where the faults are off, or nothing is chosen."""
        ...

    async def wait(self, ticks: int) -> None:
        """Wait for what `trip` returned; go on at once where it is nought. Cancelled as `step`."""
        ...

    def calm(self) -> None:
        """Hold nobody back from now on: the faults are off."""
        ...

    async def quiet(self) -> None:
        """Wait until nobody waits for a step and every task is blocked: quiescence.

        Timers do not count; what waits for one is at rest. Cancellation ends the wait.
        """
        ...

    def next(self, now: float, deadline: float) -> float:
        """Make something runnable, because nothing is; return the time it is then.

        Called within trio's loop, so it must not raise.

        Args:
            now: virtual seconds.
            deadline: of trio's earliest timer; infinite where there is none worth waiting for.
        """
        ...
