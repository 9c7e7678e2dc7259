"""Group commit without a task of its own: whoever finds nobody committing does it for all."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import trio
from attrs import define, field

from ...errors import JournalUnavailable

T = TypeVar("T")


@define(eq=False)
class _Waiting(Generic[T]):
    """An item in the queue. `woken` says that it is done, or that its caller has to lead."""

    item: T
    woken: trio.Event = field(factory=trio.Event)
    done: bool = False
    wrong: Exception | None = None


class GroupCommit(Generic[T]):
    """Gathers what many callers want committed into batches, one batch at a time.

    The first caller leads: it commits all that is waiting, its own item among them, and hands the
    lead to the next one that came meanwhile. A leader that is cancelled finishes its batch first;
    a follower that is cancelled takes its item back, unless it is being committed.

    Args:
        commit: commits a batch, and returns for each item what is wrong with it, or None.
        lock: held while it does; a batch is what is waiting when the lock is had.
        most: items in a batch.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[Sequence[Exception | None]]],
        lock: trio.Lock,
        most: int,
    ) -> None:
        self._commit = commit
        self._lock = lock
        self._most = most
        self._queue: deque[_Waiting[T]] = deque()
        self._led = False

    async def submit(self, item: T) -> None:
        """Return once the item is committed.

        When cancelled, the item may have been committed or not; nobody else is kept waiting.

        Raises:
            Exception: what is wrong with the item.
            JournalUnavailable: where its batch was broken off.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        mine = _Waiting(item)
        self._queue.append(mine)
        if self._led:
            await self._follow(mine)
        if not mine.done:
            await self._lead()
        if mine.wrong is not None:
            raise mine.wrong

    async def finish(self) -> None:
        """Commit what is still waiting. The caller sees to it that nothing more comes."""
        while self._queue:
            await self._commit_batch()

    async def _follow(self, mine: _Waiting[T]) -> None:
        try:
            await mine.woken.wait()
        except trio.Cancelled:
            if mine in self._queue:
                self._queue.remove(mine)
            if mine.woken.is_set() and not mine.done:
                self._hand_over()  # the lead came to a caller that was already on its way out
            raise

    async def _lead(self) -> None:
        self._led = True
        try:
            with trio.CancelScope(shield=True):
                # Whoever is about to submit gets into this batch.
                await trio.lowlevel.checkpoint()
                await self._commit_batch()
        finally:
            self._hand_over()

    async def _commit_batch(self) -> None:
        async with self._lock:
            batch = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
            wrongs: Sequence[Exception | None] = [_broken_off() for _ in batch]
            try:
                if batch:
                    wrongs = await self._commit([waiting.item for waiting in batch])
            finally:
                for waiting, wrong in zip(batch, wrongs, strict=True):
                    waiting.done, waiting.wrong = True, wrong
                    waiting.woken.set()

    def _hand_over(self) -> None:
        self._led = bool(self._queue)
        if self._queue:
            self._queue[0].woken.set()


def _broken_off() -> JournalUnavailable:
    return JournalUnavailable("a commit was broken off")
