"""A journal whose calls take drawn times, and which a killed process can no longer reach."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from .facts import Claimed, Stored

if TYPE_CHECKING:
    from ..core.event_codec import Row
    from ..core.position import Position
    from ..journal.contract import (
        Append,
        Claim,
        Cut,
        HistoryPage,
        Loaded,
        Receipt,
        Settled,
        Statistics,
        SummaryPage,
    )
    from ..journal.memory import MemoryJournal
    from .process import Process
    from .schedulers.virtual_delays import VirtualDelays

T = TypeVar("T")


class SimulatedJournal:
    """One process's way to the disk.

    Each call is delayed before it reaches the disk and before its answer comes back, so a process
    may be killed with an append on its way, or done and never acknowledged.

    Args:
        disk: what survives.
        process: whose it is; once that was killed, nothing reaches the disk or comes back.
        delays: says how long the way is.
    """

    def __init__(self, disk: MemoryJournal, process: Process, delays: VirtualDelays) -> None:
        self._disk = disk
        self._process = process
        self._delays = delays

    @property
    def first_epoch(self) -> int:
        """See `Journal.first_epoch`."""
        return self._disk.first_epoch

    async def claim(self, thread: str) -> Claim:
        """See `Journal.claim`."""
        return await self._there_and_back(partial(self._claim, thread))

    def release(self, thread: str, generation: int) -> None:
        """See `Journal.release`."""
        if self._process.alive:
            self._disk.release(thread, generation)

    async def append(self, append: Append) -> None:
        """See `Journal.append`."""
        await self._there_and_back(partial(self._store, append))

    async def load(self, thread: str) -> Loaded:
        """See `Journal.load`."""
        return await self._there_and_back(lambda: self._disk.load(thread))

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """See `Journal.read`."""
        return await self._there_and_back(lambda: self._disk.read(thread, after, limit_bytes))

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        """See `Journal.history`."""
        return await self._there_and_back(
            lambda: self._disk.history(thread, before, limit, limit_bytes)
        )

    async def settled(self, thread: str, owner: str) -> Settled | None:
        """See `Journal.settled`."""
        return await self._there_and_back(lambda: self._disk.settled(thread, owner))

    async def locate(self, thread: str, after: str | None) -> Cut:
        """See `Journal.locate`."""
        return await self._there_and_back(lambda: self._disk.locate(thread, after))

    async def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        """See `Journal.receipt`."""
        return await self._there_and_back(lambda: self._disk.receipt(thread, principal, key))

    async def summaries(self, after: str | None, limit: int) -> SummaryPage:
        """See `Journal.summaries`."""
        return await self._there_and_back(lambda: self._disk.summaries(after, limit))

    async def unsettled(self) -> tuple[str, ...]:
        """See `Journal.unsettled`."""
        return await self._there_and_back(self._disk.unsettled)

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        """See `Journal.compact`."""
        return await self._there_and_back(
            lambda: self._disk.compact(ended_before, keys_before, limit)
        )

    def statistics(self) -> Statistics:
        """See `Journal.statistics`."""
        return self._disk.statistics()

    async def aclose(self) -> None:
        """See `Journal.aclose`."""
        await self._there_and_back(self._disk.aclose)

    async def _claim(self, thread: str) -> Claim:
        claim = await self._disk.claim(thread)
        self._process.note(Claimed(thread, claim.generation))
        return claim

    async def _store(self, append: Append) -> None:
        await self._disk.append(append)
        epoch = append.expected.epoch
        self._process.note(Stored(append.thread, append.generation, epoch, append.rows))

    async def _there_and_back(self, call: Callable[[], Awaitable[T]]) -> T:
        there, back = self._delays.trip()
        await self._way(there)
        result = await call()
        await self._way(back)
        return result

    async def _way(self, ticks: int) -> None:
        await self._delays.wait(ticks)
        if not self._process.alive:
            await trio.sleep_forever()
