"""A journal whose calls take drawn times and fail where they are told to, over a common disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import trio

from ..errors import HoldfastError, JournalUnavailable
from .disk_facts import Compacted
from .facts import Claimed, Copied, Fault, Stored, Struck
from .faults import ActorBug
from .operations import Moment

if TYPE_CHECKING:
    from ..core.event_codec import Row
    from ..core.position import Position
    from ..journal.contract import (
        Append,
        Claim,
        Copy,
        Cut,
        HistoryPage,
        Loaded,
        Receipt,
        Settled,
        Statistics,
        SummaryPage,
    )
    from ..journal.memory import MemoryJournal
    from .faults import Faults, Strike
    from .process import Process
    from .world import World

T = TypeVar("T")


class SimulatedJournal:
    """One process's way to the disk, from one opening of the journal to its failure or its end.

    Each call is delayed before it reaches the disk and before its answer comes back. What an append
    wrote lies in the cache of the machine on its way there, where no read sees it: a process that
    is killed meanwhile has written nothing. One that is killed on the way back has written it all
    and was never told.

    Args:
        world: its disk is what survives; its delays say how long the way is, its faults what fails.
        process: whose it is; once that was killed, nothing reaches the disk or comes back.
    """

    def __init__(self, world: World, process: Process) -> None:
        self._disk: MemoryJournal = world.disk
        self._faults: Faults = world.faults
        self._process = process
        self._delays = world.delays
        self._unavailable: str | None = None

    @property
    def first_epoch(self) -> int:
        """See `Journal.first_epoch`."""
        return self._disk.first_epoch

    async def claim(self, thread: str) -> Claim:
        """See `Journal.claim`."""
        return await self._there_and_back(partial(self._claim, thread))

    async def fork(self, copy: Copy) -> Position:
        """See `Journal.fork`."""
        return await self._there_and_back(partial(self._fork, copy))

    def release(self, thread: str, generation: int) -> None:
        """See `Journal.release`."""
        if self._process.alive:
            self._disk.release(thread, generation)

    async def append(self, append: Append) -> None:
        """See `Journal.append`."""
        await self._there_and_back(partial(self._store, append))

    async def append_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        """See `Journal.append_many`."""
        there, back = self._delays.trip()
        await self._way(there)
        outcomes = await self._store_many(appends)
        if not any(outcomes):  # what fails is told at once, as a call that raises does
            await self._way(back)
        return outcomes

    async def load(self, thread: str) -> Loaded:
        """See `Journal.load`."""
        return await self._looked_up(lambda: self._disk.load(thread), thread)

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """See `Journal.read`."""
        return await self._looked_up(lambda: self._disk.read(thread, after, limit_bytes), thread)

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        """See `Journal.history`."""
        return await self._looked_up(
            lambda: self._disk.history(thread, before, limit, limit_bytes), thread
        )

    async def settled(self, thread: str, owner: str) -> Settled | None:
        """See `Journal.settled`."""
        return await self._looked_up(lambda: self._disk.settled(thread, owner))

    async def records(self, thread: str, after: int, limit_bytes: int) -> tuple[Row, ...]:
        """See `Journal.records`."""
        return await self._looked_up(lambda: self._disk.records(thread, after, limit_bytes))

    async def locate(self, thread: str, after: str | None) -> Cut:
        """See `Journal.locate`."""
        return await self._looked_up(lambda: self._disk.locate(thread, after))

    async def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        """See `Journal.receipt`."""
        return await self._looked_up(lambda: self._disk.receipt(thread, principal, key))

    async def summaries(self, after: str | None, limit: int) -> SummaryPage:
        """See `Journal.summaries`."""
        return await self._looked_up(lambda: self._disk.summaries(after, limit))

    async def unsettled(self) -> tuple[str, ...]:
        """See `Journal.unsettled`."""
        return await self._looked_up(self._disk.unsettled)

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        """See `Journal.compact`."""
        return await self._there_and_back(lambda: self._compact(ended_before, keys_before, limit))

    def statistics(self) -> Statistics:
        """See `Journal.statistics`."""
        return self._disk.statistics()

    async def aclose(self) -> None:
        """See `Journal.aclose`."""
        self._unavailable = "the journal is closed"
        await trio.lowlevel.checkpoint()

    async def _claim(self, thread: str) -> Claim:
        claim = await self._disk.claim(thread)
        self._process.claimed(Claimed(thread, claim.generation))
        return claim

    async def _store(self, append: Append) -> None:
        strike = self._faults.take(append)
        if strike is not None and strike.moment is Moment.BEFORE:
            await self._strike(strike, append.thread)
        await self._disk.append(append)
        epoch = append.expected.epoch
        owners = {receipt.offset: receipt.principal for receipt in append.receipts}
        place = append.thread, append.generation, epoch
        self._process.note(Stored(*place, append.rows, owners))
        if strike is not None and strike.moment is Moment.AFTER:
            await self._strike(strike, append.thread)

    async def _store_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        """Store one after the other, so that what is struck leaves the earlier ones on the disk."""
        outcomes: list[Exception | None] = []
        for append in appends:
            try:
                self._check()
                await self._store(append)
            except (HoldfastError, ActorBug) as exc:
                outcomes.append(exc)
            else:
                outcomes.append(None)
        return outcomes

    async def _strike(self, strike: Strike, thread: str) -> None:
        """Do what a fault does to an append; raises what the append is to raise."""
        match strike.fault:
            case Fault.KILL:
                self._faults.crash()
                await trio.sleep_forever()
            case Fault.JOURNAL:
                raise self._failed()
            case _:
                self._process.note(Struck(Fault.ACTOR, thread))
                raise ActorBug("a bug, as the scenario says")

    async def _compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        count = await self._disk.compact(ended_before, keys_before, limit)
        for thread, epoch, rows in self._disk.everything():
            self._process.note(Compacted(thread, epoch, rows))
        return count

    async def _fork(self, copy: Copy) -> Position:
        source = (await self._disk.load(copy.thread)).head
        made = await self._disk.fork(copy)
        # Both at once: what kills the process in between would leave a copy that nobody asked for.
        self._process.note(Stored(copy.to, 0, made.epoch, self._disk.rows(copy.to)))
        noted = (copy.receipt.key, copy.receipt.principal) if copy.receipt else (None, None)
        what = copy.thread, copy.generation, source.epoch, copy.to, made, copy.after
        self._process.note(Copied(*what, *noted))
        return made

    def _failed(self) -> JournalUnavailable:
        self._unavailable = "the disk failed, as the scenario says"
        self._process.note(Struck(Fault.JOURNAL))
        return JournalUnavailable(self._unavailable)

    async def _looked_up(self, call: Callable[[], Awaitable[T]], shown: str | None = None) -> T:
        """Look something up; `shown` is the thread of which a reader may be shown it."""
        return await self._there_and_back(partial(self._look_up, call, shown))

    async def _look_up(self, call: Callable[[], Awaitable[T]], shown: str | None) -> T:
        # A runtime that cannot read while it opens has nothing to serve: it is not to survive that.
        if self._process.serving and self._faults.take_of_a_read():
            raise self._failed()
        result = await call()
        if shown is not None:
            self._faults.looked_at(shown)
        return result

    async def _there_and_back(self, call: Callable[[], Awaitable[T]]) -> T:
        there, back = self._delays.trip()
        await self._way(there)
        self._check()
        result = await call()
        await self._way(back)
        return result

    def _check(self) -> None:
        if self._unavailable is not None:
            raise JournalUnavailable(self._unavailable)

    async def _way(self, ticks: int) -> None:
        await self._delays.wait(ticks)
        if not self._process.alive:
            await trio.sleep_forever()
