"""Compaction: the deltas of settled turns become few rows, and what was truncated leaves the disk.

The folded items of a turn go as well: what its few rows fold to is read from them, so that a text
lies on disk once. Each step is a transaction of its own and short, so that appends go in between.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator

import orjson
from attrs import define, field, frozen

from ...errors import JournalCorrupt
from .. import rules
from . import sealing
from .reader import Reader
from .sealing import Part
from .spots import all_spots, number_of, offset_of, spot
from .statements import Sealed, gather, insert_many, is_corrupt, transaction
from .stored import blocks_between, check_progress, part_of, rows_in, spans_of

log = logging.getLogger("holdfast.journal")

# What a step reads: it takes a few milliseconds, and merges nothing across its end.
_EVENTS_AT_ONCE = 512
_KEYS_AT_ONCE = 1024
_PAGES_AT_ONCE = 64
# Free pages that stay in the file for the next appends: one in so many.
_SLACK = 16

_DROPPED = "SELECT spot k, 1 x, crc, body FROM dropped WHERE ended_at < ? ORDER BY ended_at, spot"
_DUE = "SELECT spot k, 0 x, crc, body FROM part WHERE due AND ended_at < ? ORDER BY ended_at, spot"
_SETTLED_KEYS = (
    "DELETE FROM receipt WHERE (thread, principal, key) IN (SELECT thread, principal, key"
    " FROM receipt WHERE given_at < ? AND thread NOT IN (SELECT number FROM thread WHERE open)"
    " LIMIT ?)"
)
_KEYS_OF_OPEN_THREAD = (
    "DELETE FROM receipt WHERE spot BETWEEN ? AND ? AND given_at < ?"
    " AND (turn IS NULL OR turn NOT IN (SELECT value FROM json_each(?)))"
)


@frozen
class _Due:
    """A turn whose rows may merge, or leave the disk where `row.extra` says that it was dropped."""

    row: Sealed
    part: Part


@define
class Compactor:
    """One run of compaction, a step at a time.

    Args:
        reader: the reading half.
        ended_before: only turns that ended before this, Unix seconds.
        exhausted: whether nothing is left to do.
    """

    reader: Reader
    ended_before: float
    exhausted: bool = False
    _due: _Due | None = None
    _slices: Iterator[int] = field(factory=lambda: iter(()))
    _left: set[int] = field(factory=set)

    def step(self, most: int) -> int:
        """Compact for as long as appends may be made to wait, in one transaction.

        Args:
            most: turns to finish.

        Returns:
            How many turns were finished; a large one takes several steps.

        Raises:
            JournalCorrupt: where damage keeps even the next turn from being found.
        """
        try:
            with transaction(self.reader.db):
                finished = self._finish_some(most)
        except sqlite3.DatabaseError as exc:
            if not is_corrupt(exc):
                raise
            if self._due is None:
                raise sealing.damaged("the list of turns to compact") from exc
            self._set_aside(self._due)
            return 0
        return finished

    def _finish_some(self, most: int) -> int:
        finished = seen = 0
        while finished < most and seen < _EVENTS_AT_ONCE and (due := self._current()):
            try:
                slice_ = next(self._slices, None)
            except JournalCorrupt:
                self._set_aside(due)
                continue
            if slice_ is None:
                self._finish(due)
                finished += 1
            else:
                seen += slice_
        return finished

    def _current(self) -> _Due | None:
        while self._due is None and not self.exhausted:
            row = self._first_due()
            if row is None:
                self.exhausted = True
                return None
            check_progress(row.key not in self._left)
            try:
                self._due = _Due(row, part_of(number_of(row.key), row))
            except JournalCorrupt:
                self._leave(row)
            else:
                self._slices = self._slices_of(self._due)
        return self._due

    def _first_due(self) -> Sealed | None:
        for query in (_DROPPED, _DUE):
            for row in gather(self.reader.db, f"{query} LIMIT 1", (self.ended_before,)):
                return row
        return None

    def _slices_of(self, due: _Due) -> Iterator[int]:
        number = number_of(due.row.key)
        for first, last in spans_of(due.part.settled):
            span = spot(number, first), spot(number, last)
            for blocks in blocks_between(self.reader.db, *span, _EVENTS_AT_ONCE):
                self._rewrite(due, number, blocks)
                yield len(blocks)

    def _rewrite(self, due: _Due, number: int, blocks: list[Sealed]) -> None:
        own, gone = [], []
        for block in blocks:
            mine = rules.rows_of(rows_in(number, block), due.part.settled.owner)
            own += mine
            if mine:  # a packed block holds one turn's rows only
                gone.append(block.key)
        limits = self.reader.limits
        dropped = bool(due.row.extra)
        left = () if dropped else rules.compacted_rows(own, due.part.keep, limits.merged_text_bytes)
        sql = "DELETE FROM event WHERE spot IN (SELECT value FROM json_each(?))"
        self.reader.db.execute(sql, (orjson.dumps(gone).decode(),))
        packed = sealing.pack(left, limits.merged_text_bytes)
        insert_many(self.reader.db, "event", [sealing.event_row(number, *it) for it in packed])

    def _finish(self, due: _Due) -> None:
        self._due = None
        # A truncation between two steps made another body of it, and it is due again.
        same = due.row.key, due.row.crc
        if due.row.extra:
            self.reader.db.execute("DELETE FROM dropped WHERE spot = ? AND crc = ?", same)
            return
        sql = "UPDATE part SET due = 0 WHERE spot = ? AND crc = ?"
        if self.reader.db.execute(sql, same).rowcount:
            self.reader.db.execute("DELETE FROM items WHERE spot = ?", (due.row.key,))

    def _set_aside(self, due: _Due) -> None:
        self._due = None
        self._leave(due.row)

    def _leave(self, row: Sealed) -> None:
        """Take damage off the list, and leave it as it is for `verify` to report."""
        self._left.add(row.key)
        where = number_of(row.key), offset_of(row.key)
        log.warning("compaction left damage alone: thread number %d, offset %d", *where)
        if row.extra:
            self.reader.db.execute("DELETE FROM dropped WHERE spot = ?", (row.key,))
        else:
            self.reader.db.execute("UPDATE part SET due = 0 WHERE spot = ?", (row.key,))


def forget_keys(reader: Reader, before: float) -> bool:
    """Delete receipts given before an instant whose turns are settled.

    Returns:
        Whether more may be left.
    """
    with transaction(reader.db):
        done = reader.db.execute(_SETTLED_KEYS, (before, _KEYS_AT_ONCE))
        if done.rowcount == _KEYS_AT_ONCE:
            return True
        for thread in reader.unsettled():
            _forget_keys_of_open(reader, thread, before)
    return False


def _forget_keys_of_open(reader: Reader, thread: str, before: float) -> None:
    try:
        found = reader.find(thread)
    except JournalCorrupt:
        return  # which of its turns are settled is not known
    if found.number is not None:
        waiting = orjson.dumps(sorted(found.head.unsettled)).decode()
        args = (*all_spots(found.number), before, waiting)
        reader.db.execute(_KEYS_OF_OPEN_THREAD, args)


def give_back(db: sqlite3.Connection) -> bool:
    """Give some free pages back to the file system.

    Returns:
        Whether more are free than the next appends may want.
    """
    spare = _spare_pages(db)
    if spare > 0:
        # By `execute`, only the first step of this pragma would be taken.
        db.executescript(f"PRAGMA incremental_vacuum({min(spare, _PAGES_AT_ONCE)})")
    return 0 < _spare_pages(db) < spare


def _spare_pages(db: sqlite3.Connection) -> int:
    (free,) = db.execute("PRAGMA freelist_count").fetchone()
    (pages,) = db.execute("PRAGMA page_count").fetchone()
    return int(free) - int(pages) // _SLACK
