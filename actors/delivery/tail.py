"""The tail: a thread's newest durable events, kept once for everybody who watches it.

It belongs to the registry's entry and not to the actor, so viewers notice neither a passivation nor
a restart (I10, I14). Nothing is in it that is not on disk (I4).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import trio

from ..core.folds import NO_PROJECTIONS, NOTHING_FOLDED, Folded, Projections
from ..core.position import Position
from ..errors import InternalError, PositionUnrecoverable, Rejected
from .batches import Events
from .older import Older

if TYPE_CHECKING:
    from ..core.event_codec import Row
    from ..core.thread_state import ThreadState
    from ..limits import Limits


class Watcher(Protocol):
    """Somebody who is told that the tail moved. Both calls return at once and never raise."""

    def wake(self) -> None:
        """There may be something new."""

    def detach_at(self, position: Position, reason: str) -> bool:
        """Nothing after `position` is for you; `reason` says why.

        Returns whether it leaves; one that is still attaching may turn out to begin behind that.
        """
        ...


class Tail:
    """The newest durable events of one thread, and the state that they led to.

    Args:
        thread: the thread's id.
        limits: `tail_bytes` and `tail_merged_bytes` bound what is kept, `batch_bytes` a batch,
            `subscribers` the watchers.
        projections_of: gives those of a thread's kind from its id.
    """

    __slots__ = (
        "_bytes",
        "_epoch",
        "_limits",
        "_moved",
        "_older",
        "_projections_of",
        "_rows",
        "_shared",
        "_watchers",
        "folded",
        "forgotten",
        "state",
        "thread",
    )

    def __init__(
        self,
        thread: str,
        limits: Limits,
        projections_of: Callable[[str], Projections] = lambda _: NO_PROJECTIONS,
    ) -> None:
        self.thread = thread
        self.state: ThreadState | None = None
        # What the thread's records come to at that state; None where nobody has asked yet.
        self.folded: Folded | None = None
        # How often it was told to forget: what was read from disk before is no news after it.
        self.forgotten = 0
        self._projections_of = projections_of
        self._limits = limits
        self._rows: list[Row] = []
        self._older: Older | None = None  # what was in `_rows` before; made for the first of it
        self._epoch = 0  # of the rows; a deletion moves the state on before they are read
        self._bytes = 0
        self._watchers: dict[Watcher, None] = {}
        self._moved: trio.lowlevel.ParkingLot | None = None  # made for the first who waits
        self._shared: tuple[Position, Events] | None = None

    @property
    def position(self) -> Position | None:
        """The place after the newest published event; None where nothing is known yet."""
        return self.state.position if self.state is not None else None

    def is_behind(self, position: Position) -> bool:
        """Whether there may be something after a position; False only where there is not."""
        state = self.state
        if state is None:
            return True
        return (position.epoch, position.offset) < (state.epoch, state.offset)

    @property
    def size(self) -> int:
        """Bytes of the events in memory, as they were published."""
        return self._bytes

    @property
    def merged_size(self) -> int:
        """Bytes of those before them, whose text is merged."""
        return self._older.size if self._older is not None else 0

    def projections(self) -> Projections:
        """Return those of the thread's kind."""
        return self._projections_of(self.thread)

    @property
    def watchers(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def show(self, state: ThreadState, folded: Folded = NOTHING_FOLDED) -> None:
        """Take over what an activation read from disk.

        Rows that an earlier activation made durable without living to publish them are not in the
        tail then: it starts anew behind them, and subscribers read them from the journal.
        """
        if self.position != state.position:
            self._clear()
        self.state, self.folded = state, folded
        self._wake_all()

    def forget(self) -> None:
        """Know no more what is the newest event: it may be on disk without having been published.

        Who watches looks there; the next activation takes it over with `show`.
        """
        self.state = self.folded = None
        self.forgotten += 1
        self._wake_all()

    def publish(
        self, rows: tuple[Row, ...], state: ThreadState, folded: Folded = NOTHING_FOLDED
    ) -> None:
        """Add durable rows and wake everybody; never blocks, however slow a watcher is.

        Raises:
            InternalError: where the rows do not follow what was published (I3).
        """
        if self.state is None or rows[0].offset != self.state.offset + 1:
            raise InternalError(f"published offset {rows[0].offset} leaves a gap")
        # A read of the disk may have moved the state on, past rows that nobody published.
        behind = bool(self._rows) and self._rows[-1].to != self.state.offset
        if self._epoch != self.state.epoch or behind:
            self._clear()
            self._epoch = self.state.epoch
        self._rows.extend(rows)
        for row in rows:
            self._bytes += len(row.body)
        self.state, self.folded = state, folded
        self._shared = None
        if self._bytes > self._limits.tail_bytes:
            self._trim()
        self._wake_all()

    def after(self, position: Position) -> Events | None:
        """Return the next batch after a position, or None where the tail does not reach back to it.

        Raises:
            PositionUnrecoverable: `compacted`, where the position lies inside an event.
        """
        if self._shared is not None and self._shared[0] == position:
            return self._shared[1]
        newest = self._rows[-1] if self._rows else None
        is_next = newest is not None and newest.offset == position.offset + 1
        if newest is not None and is_next and position.epoch == self._epoch:
            rows: tuple[Row, ...] = (newest,)  # the rule at a pace: no search, and no copy
        elif self._reaches(position):
            rows = tuple(self._rows_after(position.offset))
        else:
            return None
        events = Events(self.thread, rows, Position(self._epoch, rows[-1].to))
        self._shared = (position, events)
        return events

    def tell(self) -> None:
        """Wake everybody who watches, for something beside the events."""
        for watcher in self._watchers:
            watcher.wake()

    async def moved(self) -> None:
        """Wait for the next `publish`, `show` or `forget`.

        Cancellation is harmless.
        """
        if self._moved is None:
            self._moved = trio.lowlevel.ParkingLot()
        await self._moved.park()

    def watch(self, watcher: Watcher) -> None:
        """Add a watcher.

        Raises:
            Rejected: `overloaded`, where `limits.subscribers` watch already.
        """
        if len(self._watchers) >= self._limits.subscribers:
            raise Rejected("overloaded", "this thread has as many viewers as it may have")
        self._watchers[watcher] = None

    def unwatch(self, watcher: Watcher) -> None:
        """Remove a watcher; a no-op where it is gone already."""
        self._watchers.pop(watcher, None)

    def detach_all(self, position: Position, reason: str) -> None:
        """Detach those who watch now, once they have seen everything up to `position`."""
        staying = [w for w in tuple(self._watchers) if not w.detach_at(position, reason)]
        self._watchers = dict.fromkeys(staying)

    def _reaches(self, position: Position) -> bool:
        return (
            bool(self._rows)
            and position.epoch == self._epoch
            and position.offset < self._rows[-1].to
            and (self._is_recent(position.offset) or self._is_older(position.offset))
        )

    def _is_recent(self, offset: int) -> bool:
        return offset + 1 >= self._rows[0].offset

    def _is_older(self, offset: int) -> bool:
        return self._older is not None and self._older.reaches(offset)

    def _rows_after(self, offset: int) -> list[Row]:
        if self._older is not None and not self._is_recent(offset):
            return self._older.after(offset, self._limits.batch_bytes)
        start = bisect_left(self._rows, offset + 1, key=lambda row: row.offset)
        if start and self._rows[start - 1].to != offset:
            raise PositionUnrecoverable("compacted")
        return self._batch(start)

    def _batch(self, start: int) -> list[Row]:
        stop, size = start + 1, len(self._rows[start].body)
        while stop < len(self._rows):
            size += len(self._rows[stop].body)
            if size > self._limits.batch_bytes:
                break
            stop += 1
        return self._rows[start:stop]

    def _trim(self) -> None:
        # By a sixteenth: the cost of the list is spread over the rows that go, and they are few
        # enough to be merged without holding the loop for a millisecond.
        if self._older is None:
            self._older = Older(self._limits.tail_merged_bytes, self._limits.merged_text_bytes)
        keep, drop = self._limits.tail_bytes * 15 // 16, 0
        while self._bytes > keep and drop < len(self._rows) - 1:
            self._bytes -= len(self._rows[drop].body)
            self._older.add(self._rows[drop])
            drop += 1
        del self._rows[:drop]

    def _clear(self) -> None:
        self._rows.clear()
        self._older = None
        self._bytes = 0
        self._shared = None

    def _wake_all(self) -> None:
        if self._moved is not None:
            self._moved.unpark_all()
        self.tell()
