"""What the runtime asks of the world: the time of day, fresh ids, and a place to block.

Timers are not here: the runtime sleeps on trio's own clock, which tests replace with a virtual one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Protocol, TypeVar

import trio

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
    """Runs one call at a time in a worker thread of trio's."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in the worker thread; see `Executor.run`."""
        return await trio.to_thread.run_sync(call, limiter=self._limiter)


class Inline:
    """Runs the call where it stands: for simulation, and for tests on a virtual clock."""

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` now, after one checkpoint; see `Executor.run`."""
        await trio.lowlevel.checkpoint()
        return call()
