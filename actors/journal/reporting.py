"""A journal whose failures and damage the runtime is told of at once, whoever meets them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from ..core.apply import restore
from ..core.event_codec import decode
from ..errors import JournalCorrupt, JournalUnavailable

if TYPE_CHECKING:
    from ..core.event_codec import Row
    from ..core.position import Position
    from .contract import (
        Append,
        Claim,
        Copy,
        Cut,
        HistoryPage,
        Journal,
        Loaded,
        Receipt,
        Settled,
        Statistics,
        SummaryPage,
    )

T = TypeVar("T")


class ReportingJournal:
    """A journal as it is handed to those who read, outside of any actor.

    A file that failed under a read is as unusable as one that failed under an append, and may not
    be written to for a long time: without this, everybody would read in vain until then. And a
    thread whose rows are damaged may have no actor that would meet it (I16).

    Args:
        journal: what does the work; nothing is changed about it.
        on_failure: called with the `JournalUnavailable` that a call is about to raise; returns at
            once.
        on_damage: called with the thread whose rows a read found damaged, and the `JournalCorrupt`
            that it is about to raise; returns at once.
    """

    def __init__(
        self,
        journal: Journal,
        on_failure: Callable[[JournalUnavailable], None],
        on_damage: Callable[[str, JournalCorrupt], None],
    ) -> None:
        self._journal = journal
        self._on_failure = on_failure
        self._on_damage = on_damage

    def retire(self) -> None:
        """Report no more: another journal is in force, and calls of this one may still be late."""
        self._on_failure = lambda _: None
        self._on_damage = lambda *_: None

    @property
    def first_epoch(self) -> int:
        """See `Journal.first_epoch`."""
        return self._journal.first_epoch

    async def claim(self, thread: str) -> Claim:
        """See `Journal.claim`."""
        return await self._reported(self._journal.claim(thread))

    async def fork(self, copy: Copy) -> Position:
        """See `Journal.fork`."""
        return await self._reported(self._journal.fork(copy))

    def release(self, thread: str, generation: int) -> None:
        """See `Journal.release`."""
        self._journal.release(thread, generation)

    async def append(self, append: Append) -> None:
        """See `Journal.append`."""
        await self._reported(self._journal.append(append))

    async def append_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        """See `Journal.append_many`."""
        outcomes = await self._journal.append_many(appends)
        for failure in outcomes:
            if isinstance(failure, JournalUnavailable):
                self._on_failure(failure)
        return outcomes

    async def load(self, thread: str) -> Loaded:
        """See `Journal.load`."""
        return await self._reported(self._restorable(thread), thread)

    async def _restorable(self, thread: str) -> Loaded:
        # Who reads it restores it next, and could not report what does not fit together.
        loaded = await self._journal.load(thread)
        if loaded.rows:
            restore(loaded.head, (decode(row) for row in loaded.rows))
        return loaded

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """See `Journal.read`."""
        return await self._reported(self._journal.read(thread, after, limit_bytes), thread)

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        """See `Journal.history`."""
        return await self._reported(
            self._journal.history(thread, before, limit, limit_bytes), thread
        )

    async def settled(self, thread: str, owner: str) -> Settled | None:
        """See `Journal.settled`."""
        return await self._reported(self._journal.settled(thread, owner), thread)

    async def records(self, thread: str, after: int, limit_bytes: int) -> tuple[Row, ...]:
        """See `Journal.records`."""
        return await self._reported(self._journal.records(thread, after, limit_bytes), thread)

    async def locate(self, thread: str, after: str | None) -> Cut:
        """See `Journal.locate`."""
        return await self._reported(self._journal.locate(thread, after), thread)

    async def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        """See `Journal.receipt`."""
        return await self._reported(self._journal.receipt(thread, principal, key), thread)

    async def summaries(self, after: str | None, limit: int) -> SummaryPage:
        """See `Journal.summaries`."""
        return await self._reported(self._journal.summaries(after, limit))

    async def unsettled(self) -> tuple[str, ...]:
        """See `Journal.unsettled`."""
        return await self._reported(self._journal.unsettled())

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        """See `Journal.compact`."""
        return await self._reported(self._journal.compact(ended_before, keys_before, limit))

    def statistics(self) -> Statistics:
        """See `Journal.statistics`."""
        return self._journal.statistics()

    async def aclose(self) -> None:
        """See `Journal.aclose`."""
        await self._journal.aclose()

    async def _reported(self, call: Awaitable[T], thread: str | None = None) -> T:
        try:
            return await call
        except JournalUnavailable as exc:
            self._on_failure(exc)
            raise
        except JournalCorrupt as exc:
            if thread is not None:
                self._on_damage(thread, exc)
            raise
