"""What the runtime asks of the world: the time of day, fresh ids, and a place to block.

Timers are not here: the runtime sleeps on trio's own clock, which tests replace with a virtual one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import trio

if TYPE_CHECKING:
    import outcome

T = TypeVar("T")


class Clock(Protocol):
    """The time of day."""

    def now(self) -> float:
        """Return Unix seconds."""
        ...


class Ids(Protocol):
    """A source of names that nothing else bears."""

    def fresh(self, prefix: str) -> str:
        """Return a new id of at most 32 characters of `A–Z a–z 0–9 -`, starting with `prefix`."""
        ...


class Executor(Protocol):
    """Where a blocking call may run without holding the event loop."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` and return what it returned, or raise what it raised.

        The call is never abandoned: a cancellation is delivered only after it has finished.
        """
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return Unix seconds."""
        return time.time()


class RandomIds:
    """Ids of 80 random bits: unguessable, and unique without asking anybody."""

    def fresh(self, prefix: str) -> str:
        """Return `prefix` and 20 hexadecimal digits."""
        return prefix + secrets.token_hex(10)


class WorkerThread:
    """Runs one call at a time in a worker thread of trio's cache.

    By the primitive below `trio.to_thread.run_sync`, whose limiter, context and names are of no use
    here and cost as much again as the hop itself.
    """

    def __init__(self) -> None:
        # Not a `trio.Lock`, which keeps account of who has it: whoever shares a worker thread takes
        # turns already, and this is done for each commit.
        self._busy = False
        self._free = trio.lowlevel.ParkingLot()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a worker thread; see `Executor.run`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while self._busy:
            await self._free.park()
        self._busy = True
        try:
            return await self._hop(call)
        finally:
            self._busy = False
            if self._free:
                self._free.unpark()

    @staticmethod
    async def _hop(call: Callable[[], T]) -> T:
        task = trio.lowlevel.current_task()
        token = trio.lowlevel.current_trio_token()

        def deliver(result: outcome.Outcome[T]) -> None:
            token.run_sync_soon(trio.lowlevel.reschedule, task, result)

        trio.lowlevel.start_thread_soon(call, deliver)
        answer: T = await trio.lowlevel.wait_task_rescheduled(_not_before_it_is_done)
        return answer


def _not_before_it_is_done(_: object) -> trio.lowlevel.Abort:
    return trio.lowlevel.Abort.FAILED


class Inline:
    """Runs the call where it stands: for simulation, and for tests on a virtual clock."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` now, after one checkpoint; see `Executor.run`."""
        await trio.lowlevel.checkpoint()
        return call()
