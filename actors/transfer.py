"""Threads out of a journal and into one, as their events.

What leaves is what a reader may see. Events from the head's floor on leave as they are, ranges and
offsets with them. What a truncation left in front of the floor is told anew, in turn order and in
no more events than it was: its keys and metadata, which no reader is shown, stay behind.

What comes in has another journal's epoch (docs/adr/0004), and all of a thread comes in one append:
it is there wholly or not at all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

from .core.commands import Record, Recover, Submit
from .core.decide import Decision, decide
from .core.entry_check import check_entry
from .core.event_codec import Row, encode
from .core.events import (
    Entry,
    Event,
    Recorded,
    ThreadCreated,
    ThreadEnded,
    ThreadTruncated,
    TurnSubmitted,
)
from .core.head import Life, Receipt, Settled
from .core.position import Position
from .core.step import Step, take_step
from .core.telling import Part, place_events
from .core.thread_state import ThreadState
from .errors import InternalError, PositionUnrecoverable, Rejected
from .journal.contract import Append, Journal, Summary
from .limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from .core.head import Head
    from .core.items import Item


async def export_thread(
    journal: Journal, summary: Summary, limits: Limits = DEFAULT_LIMITS
) -> AsyncGenerator[Row, None]:
    """Yield a thread's events from offset 1 to its head, contiguous.

    Args:
        journal: where the thread is.
        summary: which one, and its head; an absent one has no events.
        limits: `page_bytes` are read at a time.

    Raises:
        PositionUnrecoverable: the thread was truncated or deleted since `summary` was read.
        JournalCorrupt, JournalUnavailable: as the journal does.

    Cancellation leaves nothing behind.
    """
    thread, head = summary.thread, summary.head
    if head.life is Life.ABSENT:
        return
    if head.floor:
        async for entry in _in_front_of_floor(journal, thread, head, limits):
            yield encode(entry)
    position = Position(head.epoch, head.floor)
    while position.offset < head.offset:
        for row in await journal.read(thread, position, limits.page_bytes):
            if row.offset <= head.offset:
                yield row
            position = Position(head.epoch, row.to)


async def _in_front_of_floor(
    journal: Journal, thread: str, head: Head, limits: Limits
) -> AsyncGenerator[Entry, None]:
    """Tell what a truncation left, and at the floor the truncation itself."""
    kept = await _kept(journal, thread, head.floor, limits)
    # Whatever opens a thread again comes behind the floor.
    was_ended = head.life is Life.ENDED and head.offset == head.floor
    told = await _measure(journal, thread, kept, limits)
    # It may have been written in larger pieces than are allowed today.
    while told.events > head.floor - was_ended - 2 and limits.piece_bytes < limits.frame_bytes:
        limits = evolve(limits, piece_bytes=2 * limits.piece_bytes)
        told = await _measure(journal, thread, kept, limits)
    # Offsets that are over go to the first event, so that the others end where they did.
    offset = head.floor - told.events - was_ended
    yield Entry(1, offset - 1, head.created_at, ThreadCreated())
    for each in kept:
        part = await _items_of(journal, thread, each)
        for entry in place_events(part.told(limits), offset):
            offset = entry.to + 1
            yield entry
    if was_ended:
        yield Entry(offset, offset, head.active_at, ThreadEnded())
    yield Entry(head.floor, head.floor, head.active_at, ThreadTruncated(told.newest, told.items))


@frozen
class _Measure:
    """How much a history comes to when it is told: its events, its items, and the newest of those.

    The first event of a thread, its end and the truncation do not count.
    """

    events: int
    items: int
    newest: str | None


async def _measure(
    journal: Journal, thread: str, kept: list[str | Item], limits: Limits
) -> _Measure:
    events, items, newest = 0, 0, None
    for each in kept:
        part = await _items_of(journal, thread, each)
        events += sum(1 for _ in part.told(limits))
        items, newest = items + len(part.items), part.items[-1].item
    return _Measure(events, items, newest)


async def _kept(journal: Journal, thread: str, place: int, limits: Limits) -> list[str | Item]:
    """Return the history up to a place, oldest first: of each turn its id alone, and the records.

    Raises:
        PositionUnrecoverable: the thread was truncated meanwhile.
    """
    kept: dict[str, str | Item] = {}
    before: str | int | None = place
    while before is not None:
        try:
            page = await journal.history(thread, before, limits.page_items_max, limits.page_bytes)
        except Rejected as exc:
            raise PositionUnrecoverable("truncated") from exc
        for item in reversed(page.items):
            kept[item.turn or item.item] = item.turn or item
        before = page.before
    return list(reversed(kept.values()))


async def _items_of(journal: Journal, thread: str, kept: str | Item) -> Part:
    if not isinstance(kept, str):
        return Part((kept,))
    part = await journal.settled(thread, kept)
    if part is None or not part.items:
        raise PositionUnrecoverable("truncated")  # after its id was read
    return Part(part.items, part.state, part.ended_at, ran=part.place != part.last)


@define
class Restoration:
    """A thread's events as they come in, folded into what a journal takes. Pure.

    Args:
        limits: `frame_bytes` bounds an event, `import_bytes` the thread.
    """

    limits: Limits = DEFAULT_LIMITS
    _state: ThreadState = field(factory=lambda: ThreadState(epoch=0), init=False)
    _rows: list[Row] = field(factory=list, init=False)
    _settled: list[Settled] = field(factory=list, init=False)
    _receipts: dict[tuple[str, str], Receipt] = field(factory=dict, init=False)
    _owners: set[str] = field(factory=set, init=False)
    _bytes: int = field(default=0, init=False)
    _behind_truncation: bool = field(default=False, init=False)

    @property
    def offset(self) -> int:
        """The last offset taken; 0 at first."""
        return self._state.offset

    @property
    def events(self) -> int:
        """How many events were taken."""
        return len(self._rows)

    def add(self, entry: Entry) -> None:
        """Take the next event.

        Raises:
            ValueError: where it cannot be what follows; the text says why, in a sentence. The
                restoration is of no use any more.
        """
        check_entry(self._state, entry)
        self._check_owner(entry.event)
        width = entry.to - entry.offset + 1
        try:
            step = take_step(self._state, Decision(((entry.event, width),)), entry.at)
        except (InternalError, TypeError) as exc:
            raise ValueError(str(exc)) from exc
        self._take(step)
        if isinstance(entry.event, TurnSubmitted) and not self._behind_truncation:
            self._note_submit(entry.event, entry)
        if isinstance(entry.event, Recorded):
            self._note_record(entry.event, entry)
        self._behind_truncation = isinstance(entry.event, ThreadTruncated)

    def append(self, thread: str, generation: int, expected: Position, now: float) -> Append:
        """Return all of it as one step; a turn that was running ends interrupted in it (I9).

        Args:
            thread: the thread's id.
            generation, expected: as the journal's claim has them; `expected` is before offset 1.
            now: Unix seconds.

        Raises:
            ValueError: where no event was taken.
        """
        if not self._rows:
            raise ValueError("there are no events")
        recover = Recover(reason="import", start_next=False)
        self._take(take_step(self._state, decide(self._state, recover, now, self.limits), now))
        return Append(
            thread=thread,
            expected=expected,
            generation=generation,
            rows=tuple(self._rows),
            head=evolve(self._state.head, epoch=expected.epoch),
            settled=tuple(self._settled),
            receipts=tuple(self._receipts.values()),
        )

    def _take(self, step: Step) -> None:
        self._state = step.state
        for row in step.rows:
            self._bytes += len(row.body)
            if len(row.body) > self.limits.frame_bytes:
                raise ValueError(f"the event has more than {self.limits.frame_bytes} bytes")
        if self._bytes > self.limits.import_bytes:
            raise ValueError(f"the thread has more than {self.limits.import_bytes} bytes")
        self._rows += step.rows
        self._settled += step.settled

    def _check_owner(self, event: Event) -> None:
        if isinstance(event, TurnSubmitted | Recorded):
            owner = event.item if isinstance(event, Recorded) else event.turn
            if owner in self._owners:
                raise ValueError(f"{owner} is there already")
            self._owners.add(owner)

    def _note_submit(self, event: TurnSubmitted, entry: Entry) -> None:
        """Keep the receipt of a submit, so that a retry meets it (I8).

        One behind a truncation may have asked for that itself, which its digest would hold and the
        event does not tell: it is left out.
        """
        if event.key is None:
            return
        asked = Submit(
            turn=event.turn,
            principal=event.author,
            content=event.content,
            metadata=event.metadata,
            attachments=event.attachments,
        )
        given = (asked.digest(), event.turn, entry.offset, entry.at)
        self._receipts[event.author, event.key] = Receipt(event.author, event.key, *given)

    def _note_record(self, event: Recorded, entry: Entry) -> None:
        if event.key is None or event.author is None:  # whose key it was, older files do not tell
            return
        asked = Record(record=event.item, principal=event.author, kind=event.kind, data=event.data)
        given = (asked.digest(), None, entry.offset, entry.at)
        self._receipts[event.author, event.key] = Receipt(event.author, event.key, *given)


async def import_thread(
    journal: Journal, thread: str, restoration: Restoration, *, now: float
) -> Position:
    """Put a restored thread into a journal, wholly or not at all, and return its head there.

    Its epoch is the journal's; its offsets are what they were.

    Args:
        journal: where it is to be.
        thread: its id, of which nothing may be there (a deleted life does not count).
        restoration: its events.
        now: Unix seconds.

    Raises:
        ValueError: the thread is there already, and was not touched; or there are no events, or
            the journal found that they cannot be right.
        JournalCorrupt, JournalFenced, JournalUnavailable: as the journal does.

    A cancelled call may have put it there, wholly.
    """
    claim = await journal.claim(thread)
    try:
        head = claim.loaded.head
        if head.life is not Life.ABSENT:
            raise ValueError(f"thread {thread} is there already")
        append = restoration.append(thread, claim.generation, head.position, now)
        await journal.append(append)
    except InternalError as exc:
        raise ValueError(str(exc)) from exc
    finally:
        journal.release(thread, claim.generation)
    return append.head.position
