"""What `verify` holds against each other in one thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from attrs import define, field, frozen

from ...core.apply import apply, restore
from ...core.event_codec import decode
from ...core.events import Entry, Recorded, TurnEnded, TurnStarted
from ...core.projections import fold_turn
from ...core.thread_state import ThreadState
from ...errors import InternalError, JournalCorrupt
from .. import rules
from ..contract import Head, Settled
from . import sealing
from .reader import Reader
from .spots import all_spots, offset_of
from .statements import Sealed
from .stored import blocks_between, part_of, rows_in

_PARTS = (
    "SELECT part.*, items.crc, items.body FROM part LEFT JOIN items ON items.spot = part.spot"
    " WHERE part.spot BETWEEN ? AND ?"
)
_DROPPED = "SELECT * FROM dropped WHERE spot BETWEEN ? AND ?"
_RECEIPTS = "SELECT * FROM receipt WHERE spot BETWEEN ? AND ?"
_FOLD = "SELECT * FROM fold WHERE spot BETWEEN ? AND ?"


@frozen
class Damage:
    """Something in the file that cannot be right.

    Args:
        thread: the thread that is hit; None where it is not known, or the file as a whole.
        where: the part of the thread or of the file, in a word or two.
        what: what is wrong, in words for a terminal.
    """

    thread: str | None
    where: str
    what: str


@define
class ThreadCheck:
    """Reads one thread from its first row to its last.

    Args:
        reader: the reading half.
        number: the thread's number in the file.
        thread: its id.
        head: as stored; None where it is damaged, and much cannot be judged.
    """

    reader: Reader
    number: int
    thread: str
    head: Head | None
    # The fold of the events so far; None once one is missing.
    _state: ThreadState | None = None
    _to: int = 0
    _sound: bool = True
    # The offset of every terminal event by its turn, and of every record.
    _ended: dict[str, int] = field(factory=dict)
    _records: set[int] = field(factory=set)
    _unsettled: list[Entry] = field(factory=list)

    def run(self) -> Iterator[Damage]:
        """Yield what cannot be right."""
        if self.head is not None:
            self._state = ThreadState(epoch=self.head.epoch)
        for damage in self._check_events():
            self._sound = False
            yield damage
        yield from self._check_head()
        yield from self._check_history()
        yield from self._check_dropped()
        yield from self._check_receipts()
        yield from self._check_fold()

    def _damage(self, where: str, what: str) -> Damage:
        return Damage(self.thread, where, what)

    # Events.

    def _check_events(self) -> Iterator[Damage]:
        for blocks in blocks_between(self.reader.db, *all_spots(self.number)):
            for block in blocks:
                yield from self._check_block(block)

    def _check_block(self, block: Sealed) -> Iterator[Damage]:
        start, end = offset_of(block.key), block.extra >> 1
        try:
            entries = [decode(row) for row in rows_in(self.number, block)]
        except JournalCorrupt as exc:
            yield self._damage("events", str(exc))
            self._state, self._to = None, max(self._to, end)
            return
        if (entries[0].offset, entries[-1].to) != (start, end):
            yield self._damage("events", f"the block at offset {start} holds another place")
        for entry in entries:
            yield from self._check_entry(entry)

    def _check_entry(self, entry: Entry) -> Iterator[Damage]:
        missing, self._to = (self._to + 1, entry.offset - 1), entry.to
        if missing[0] > entry.offset:
            yield self._damage("events", f"offset {entry.offset} is there twice")
        if missing[0] < entry.offset:
            self._state = None
            if self.head is not None and missing[1] > self.head.floor:
                yield self._damage("events", "offsets {} to {} are missing".format(*missing))
        yield from self._note(entry)
        try:
            self._state = None if self._state is None else apply(self._state, entry)
        except InternalError as exc:
            self._state = None
            yield self._damage("events", str(exc))

    def _note(self, entry: Entry) -> Iterator[Damage]:
        event = entry.event
        if isinstance(event, TurnEnded):
            if event.turn in self._ended:
                yield self._damage("events", f"turn {event.turn} ends twice")
            self._ended[event.turn] = entry.offset
        if isinstance(event, Recorded):
            self._records.add(entry.offset)
        open_from = None if self.head is None else self.head.open_from
        if open_from is not None and entry.offset >= open_from:
            self._unsettled.append(entry)

    # The head.

    def _check_head(self) -> Iterator[Damage]:
        if self.head is None:
            return
        if self.head.epoch < self.reader.first_epoch:
            yield self._damage("head", "its epoch is older than the file")
        if self._to != self.head.offset:
            what = f"the events end at offset {self._to}, the head at {self.head.offset}"
            yield self._damage("events", what)
        elif self._sound:
            yield from self._check_lead()

    def _check_lead(self) -> Iterator[Damage]:
        """Check that the events lead to the head: all of them, or those of unsettled turns."""
        assert self.head is not None
        try:
            state = self._state or restore(self.head, self._unsettled)
        except (InternalError, JournalCorrupt) as exc:
            yield self._damage("head", str(exc))
            return
        if differing := _differing(state.head, self.head):
            yield self._damage("head", f"the events do not lead to its {differing}")

    # History.

    def _check_history(self) -> Iterator[Damage]:
        owners: set[str] = set()
        places: set[int] = set()
        shown = 0
        for row in self.reader.db.execute(_PARTS, all_spots(self.number)):
            try:
                part = part_of(self.number, Sealed(row[0], 0, row[7], row[8]))
                yield from self._check_part(part, row)
            except JournalCorrupt as exc:
                yield self._damage("history", str(exc))
            else:
                owners.add(part.settled.owner)
                places.add(part.settled.place)
                shown += part.shown
        yield from self._check_complete(owners, places)
        if self.head is not None and shown != self.head.items:
            what = f"it has {shown} items, the head says {self.head.items}"
            yield self._damage("history", what)

    def _check_part(self, part: sealing.Part, row: Sequence[Any]) -> Iterator[Damage]:
        settled, where = part.settled, f"the history at offset {part.settled.place}"
        is_turn = settled.state is not None
        said = (self.number, settled.owner, settled.ended_at, is_turn, part.shown)
        if offset_of(row[0]) != settled.place or tuple(row[1:6]) != said:
            yield self._damage("history", f"{where} does not agree with its index")
        rows = self.reader.rows_of_part(self.number, settled)
        entries = [decode(row) for row in rows]
        if is_turn and not _leads_to(entries, settled):
            yield self._damage("history", f"{where} does not agree with its events")
        items = rules.kept(fold_turn(entries), part.keep)
        if row[9] is not None:
            folded = Sealed(row[0], 0, row[9], row[10]).checked(self.number, where)
            if rules.kept(sealing.decode_items(folded), part.keep) != items:
                yield self._damage("history", f"{where} has items that its events do not have")
        if len(items) != part.shown:
            yield self._damage("history", f"{where} has {len(items)} items, not {part.shown}")

    def _check_complete(self, owners: set[str], places: set[int]) -> Iterator[Damage]:
        floor = 0 if self.head is None else self.head.floor
        for turn, offset in self._ended.items():
            # Below the floor it may have been truncated.
            if turn not in owners and offset > floor:
                yield self._damage("history", f"turn {turn}, ended at offset {offset}, is missing")
        for offset in sorted(self._records - places):
            yield self._damage("history", f"the record at offset {offset} is missing")

    def _check_dropped(self) -> Iterator[Damage]:
        for spot, ended_at, crc, body in self.reader.db.execute(_DROPPED, all_spots(self.number)):
            try:
                part = part_of(self.number, Sealed(spot, 0, crc, body))
            except JournalCorrupt as exc:
                yield self._damage("truncated history", str(exc))
                continue
            if (offset_of(spot), ended_at) != (part.settled.place, part.settled.ended_at):
                yield self._damage("truncated history", "it does not agree with its index")

    # Receipts.

    def _check_receipts(self) -> Iterator[Damage]:
        for row in self.reader.db.execute(_RECEIPTS, all_spots(self.number)):
            offset = offset_of(row[5])
            try:
                body = Sealed(row[5], 0, row[6], row[7]).checked(
                    self.number, f"the receipt of offset {offset}"
                )
            except JournalCorrupt as exc:
                yield self._damage("receipts", str(exc))
                continue
            it = sealing.decode_receipt(body)
            if (offset, *row[:5]) != (
                it.offset,
                self.number,
                it.principal,
                it.key,
                it.turn,
                it.at,
            ):
                yield self._damage("receipts", f"that of offset {offset} is not as its index says")
            if self.head is not None and offset > self.head.offset:
                yield self._damage("receipts", f"offset {offset} is not there")

    def _check_fold(self) -> Iterator[Damage]:
        for spot, last, crc, body in self.reader.db.execute(_FOLD, all_spots(self.number)):
            try:
                Sealed(spot, last, crc, body).checked(self.number, "the fold of its records", last)
            except JournalCorrupt as exc:
                yield self._damage("records", str(exc))
                continue
            if offset_of(spot) or (last and last not in self._records):
                yield self._damage("records", f"no record is at offset {last}, where a fold ends")


def _differing(one: Head, other: Head) -> str:
    names = [a.name for a in attrs.fields(Head)]
    return ", ".join(name for name in names if getattr(one, name) != getattr(other, name))


def _leads_to(entries: Sequence[Entry], settled: Settled) -> bool:
    """Say whether a turn's events settle it as it is stored."""
    last = entries[-1]
    places = [entry.offset for entry in entries if isinstance(entry.event, TurnStarted)]
    place = places[0] if places else last.offset
    ended = isinstance(last.event, TurnEnded) and last.event.state is settled.state
    return ended and (place, last.at) == (settled.place, settled.ended_at)
