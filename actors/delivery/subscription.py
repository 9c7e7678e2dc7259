"""A subscription: a cursor that pulls. It owns a position and nothing else, no queue, no task."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import trio
from attrs import evolve

from ..core.amounts import checked_amount
from ..core.head import Life
from ..core.position import Position
from ..core.resume import AttachPlan, Mode, plan_after, plan_attach
from ..errors import JournalUnavailable, PositionUnrecoverable
from .batches import Batch, CaughtUp, Detached, Events, Presence, Roll, Snapshot
from .snapshot import shown_state, take_snapshot

if TYPE_CHECKING:
    from ..core.event_codec import Row
    from ..incident.recording import Watched
    from ..journal.contract import Journal
    from ..limits import Limits
    from .attendance import Attendance
    from .tail import Tail


class Subscription:
    """One reader of one thread (I3).

    Call `attach` once, then `pull` whenever `ready`; or iterate, which does both and waits.

    Attributes:
        local: what holds for this attachment alone, for whoever made it to keep; empty at first,
            and emptied when it is closed. What is to outlive it goes into a record.

    Args:
        tail: the thread's tail.
        journal: gives the journal in force, for what the tail no longer holds.
        limits: `batch_bytes` and `page_bytes` bound what a pull returns.
        attendance: where it is counted; None where it is not.
        principal: who is counted.
        presence: whether it is told who is there.
        watched: notes in a recording that it attached, and left; None where there is none.
        on_ready: called when there may be something new; must return at once.
        on_close: called once, when the subscription is closed.
    """

    def __init__(
        self,
        tail: Tail,
        journal: Callable[[], Journal],
        limits: Limits,
        *,
        attendance: Attendance | None = None,
        principal: str = "",
        presence: bool = False,
        watched: Watched | None = None,
        on_ready: Callable[[Subscription], None] | None = None,
        on_close: Callable[[Subscription], None] | None = None,
    ) -> None:
        self.thread = tail.thread
        self.local: dict[str, Any] = {}
        self.ready = False
        self.position = Position(0, 0)
        self.plan = AttachPlan(Mode.SNAPSHOT)
        self._tail = tail
        self._journal = journal
        self._limits = limits
        self._attendance = attendance
        self._principal = principal
        self._presence = presence
        self._watched = watched
        self._told: Roll | None = None
        self._told_version = -1
        self._told_last = False
        self._counted = False
        self._on_ready = on_ready
        self._on_close = on_close
        self._window = limits.window_items
        self._snapshot: Snapshot | None = None
        self._goal: Position | None = None
        self._until: tuple[Position, str] | None = None
        self._news: trio.lowlevel.ParkingLot | None = None  # made for the first who waits
        self._begun = False
        self._closed = False

    async def attach(self, cursor: str | None, window: int | None = None) -> AttachPlan:
        """Settle where the stream begins: `plan` says how, `position` where.

        Args:
            cursor: where the reader stands; None for a snapshot. A bad one gets a snapshot too.
            window: items in a snapshot, 0 to `limits.window_items_max`.

        Raises:
            Rejected: `overloaded`, where the thread has too many viewers; `bad_request` for another
                window.
            JournalCorrupt, JournalUnavailable: as the journal does.

        Cancellation leaves nothing behind but the watcher, which `close` removes.
        """
        usual, most = self._limits.window_items, self._limits.window_items_max
        self._window = checked_amount(window, "window", usual=usual, most=most, least=0)
        # Watch before the first look, so that nothing can fall in between.
        self._tail.watch(self)
        state = await shown_state(self._tail, self._journal())
        self.plan = plan_attach(cursor, state.head, self._journal().first_epoch)
        if self.plan.position is not None:
            await self._resume_at(self.plan.position, state.position)
        if self.plan.mode is not Mode.RESUME:
            await self._show_snapshot(self.plan)
            self._goal = self.position
        self._begun = True
        if self._watched is not None:
            self._watched.attached(cursor, self.plan, self.position)
        self._enter()
        if self._until is not None and self._is_behind(*self._until):
            self._until = None
        self.wake()
        return self.plan

    async def pull(self) -> Batch | None:
        """Return the next batch, or None where there is nothing new. Never waits for news.

        Raises:
            JournalCorrupt, JournalUnavailable: as the journal does.

        A cancelled call loses nothing: the next one returns what it would have returned.
        """
        if self._closed:
            return None
        if self._snapshot is not None:
            snapshot, self._snapshot = self._snapshot, None
            return snapshot
        told_last, self._told_last = self._told_last, False
        presence = None if told_last else self._news_of_presence()
        if presence is not None:
            return presence
        if self._goal is not None and self.position >= self._goal:
            self._goal = None
            return CaughtUp(self.thread, self.position)
        if self._until is not None and self.position >= self._until[0]:
            return self._leave(self._until[1])
        return await self._pull_events() or self._news_of_presence()

    def pull_now(self) -> Events | None:
        """Return the next batch of events where the tail has it and nothing else is due.

        None says nothing: what there is, `pull` returns.
        """
        if self._snapshot or self._goal or self._until or self._presence or self._closed:
            return None
        try:
            events = self._tail.after(self.position)
        except PositionUnrecoverable:
            return None
        if events is not None:
            self.position = events.position
        return events

    @property
    def behind(self) -> bool:
        """Whether a pull might return something now; False only where it would not."""
        due = self._snapshot or self._goal or self._until
        if due is not None or self._tail.is_behind(self.position):
            return True
        return self._presence and self._roll_is_news

    @property
    def finished(self) -> bool:
        """Whether the reader, who came with a cursor, has seen the thread end, or has lost it.

        It holds until the thread is opened again. What nobody knows any more is where a deleted
        life stopped, so any cursor of one counts as its end.
        """
        state = self._tail.state
        if state is None or state.life is Life.OPEN:
            return False
        if state.life is Life.ABSENT:
            return self.plan.reason == "deleted"
        return self.plan.mode is Mode.RESUME and self.position >= state.position

    def wake(self) -> None:
        """Note that there may be something new."""
        if not self.ready and not self._closed:
            self.ready = True
            if self._news:
                self._news.unpark_all()
            if self._on_ready is not None:
                self._on_ready(self)

    def detach_at(self, position: Position, reason: str) -> bool:
        """Stop after `position`; see `Watcher`."""
        self._until = (position, reason)
        self.wake()
        return self._begun or reason == "failed"

    def close(self, *, broken: bool = False) -> None:
        """Leave. Nothing is pulled afterwards; calling it again does nothing.

        Args:
            broken: the reader went without a word and may be back soon; see `Attendance`.
        """
        if self._closed:
            return
        self._closed = True
        self.ready = False
        self.local.clear()
        self._tail.unwatch(self)
        if self._news:
            self._news.unpark_all()
        if self._attendance is not None and self._counted:
            self._attendance.leave(self._principal, broken=broken)
        if self._watched is not None:
            self._watched.detached()
        if self._on_close is not None:
            self._on_close(self)

    def __aiter__(self) -> AsyncIterator[Batch]:
        """Iterate over all that comes, waiting for news; ends after `Detached` or `close`."""
        return self

    async def __anext__(self) -> Batch:
        """Wait for the next batch; raises as `pull`. Cancellation loses nothing."""
        while not self._closed:
            self.ready = False
            batch = await self.pull()
            if batch is not None:
                return batch
            if not self.ready and not self._closed:
                await self._come()
        raise StopAsyncIteration

    async def _come(self) -> None:
        """Wait for news, or for the end."""
        if self._news is None:
            self._news = trio.lowlevel.ParkingLot()
        await self._news.park()

    def _is_behind(self, end: Position, reason: str) -> bool:
        """Say whether the stream begins behind an end that came while the attach looked.

        An end or a deletion detaches those who are attached (rule 11), not those who come after it.
        """
        return reason != "failed" and self.position >= end

    def _enter(self) -> None:
        if self._attendance is not None and not self._closed:
            self._counted = True
            self._attendance.enter(self._principal)

    def _news_of_presence(self) -> Presence | None:
        """Return who is there, where that is news to the reader."""
        if self._attendance is None or not self._roll_is_news:
            return None
        self._told, self._told_version = self._attendance.roll, self._attendance.version
        self._told_last = True  # what else there is comes before the next one
        return Presence(self.thread, self.position, self._told)

    @property
    def _roll_is_news(self) -> bool:
        attendance = self._attendance if self._presence else None
        if attendance is None or attendance.version == self._told_version:
            return False
        return attendance.roll != self._told

    async def _resume_at(self, position: Position, head: Position) -> None:
        self.position = position
        self._goal = head
        try:
            # Only a read shows whether the whole run after the cursor is retained.
            if position < head and self._tail.after(position) is None:
                await self._journal().read(self.thread, position, limit_bytes=1)
        except PositionUnrecoverable as exc:
            self.plan = plan_after(exc)

    async def _show_snapshot(self, plan: AttachPlan) -> None:
        journal = self._journal()
        shown = await take_snapshot(self._tail, journal, self._window, self._limits)
        self._snapshot = evolve(shown, mode=plan.mode, reason=plan.reason)
        self.position = shown.position

    async def _pull_events(self) -> Batch | None:
        try:
            events = await self._next_events()
        except (PositionUnrecoverable, JournalUnavailable) as exc:
            if self._until is not None:  # what is left cannot be had; the cursor stays good
                return self._leave(self._until[1])
            if isinstance(exc, JournalUnavailable):
                raise
            # Fell behind what is retained: show the thread as it is, and go on from there.
            await self._show_snapshot(plan_after(exc))
            return await self.pull()
        if events is not None:
            self.position = events.position
        return events

    async def _next_events(self) -> Events | None:
        if not self._tail.is_behind(self.position):
            return None
        events = self._tail.after(self.position)
        if events is None or self._reaches_beyond_the_end(events):
            rows = await self._journal().read(self.thread, self.position, self._limits.batch_bytes)
            events = self._batch(rows, self._published)
        if events is None or self._until is None or events.position <= self._until[0]:
            return events
        return self._batch(events.rows, self._until[0].offset)

    @property
    def _published(self) -> float:
        """The last offset that may be read from disk: no cursor gets ahead of the tail (I4)."""
        state = self._tail.state
        if state is None or state.epoch != self.position.epoch:
            return math.inf
        return state.offset

    def _batch(self, rows: tuple[Row, ...], end: float) -> Events | None:
        """Return those of rows that end by an offset, or None where none does."""
        rows = tuple(row for row in rows if row.to <= end)
        if not rows:
            return None
        return Events(self.thread, rows, Position(self.position.epoch, rows[-1].to))

    def _reaches_beyond_the_end(self, events: Events) -> bool:
        """Say whether the first of them was merged with what is not for this reader any more."""
        return self._until is not None and events.rows[0].to > self._until[0].offset

    def _leave(self, reason: str) -> Detached:
        detached = Detached(self.thread, self.position, reason)
        self.close()
        return detached
