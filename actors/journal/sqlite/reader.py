"""The reading half: pages of bounded size, every row checked against its seal."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from attrs import evolve, frozen

from ...core.event_codec import Row
from ...core.items import Item
from ...core.position import Position
from ...core.projections import fold_turn
from ...core.resume import check_position
from ...errors import JournalCorrupt, PositionUnrecoverable
from ...limits import Limits
from .. import rules
from ..contract import Head, HistoryPage, Life, Loaded, Receipt, Settled, Summary, SummaryPage
from . import sealing
from .schema import offset_of, spot
from .sealing import damaged
from .statements import Sealed, gather

# How much one step reads: few enough to stay short, many enough that steps are few.
_EVENTS = 4096
_PARTS = 16

_BLOCKS = """
    SELECT spot k, last << 1 | packed x, crc, body FROM event
    WHERE spot BETWEEN ? AND ? ORDER BY spot LIMIT ?"""


@frozen
class Found:
    """A thread as it is in the file; `number` is None where it never was there."""

    number: int | None
    head: Head


@frozen
class Reader:
    """Reads threads. No two of its calls may overlap with each other or with a writer's.

    Args:
        db: the connection.
        first_epoch: of threads that were never there.
        limits: bounds the receipts of a load.
    """

    db: sqlite3.Connection
    first_epoch: int
    limits: Limits

    def find(self, thread: str) -> Found:
        """Return where a thread stands.

        Raises:
            JournalCorrupt: where its head cannot be trusted.
        """
        row = self.db.execute("SELECT number, crc, body FROM thread WHERE id = ?", (thread,))
        found = row.fetchone()
        if found is None:
            return Found(None, Head(epoch=self.first_epoch))
        number, crc, body = found
        if sealing.seal(number, body) != crc:
            raise damaged("the thread's head")
        name, head = sealing.decode_head(body)
        if name != thread:
            raise damaged("the thread's head")
        return Found(number, head)

    def load(self, found: Found) -> Loaded:
        """Return what a writer needs of a thread; see `Journal.load`."""
        if found.number is None:
            return Loaded(found.head)
        rows: tuple[Row, ...] = ()
        if found.head.open_from is not None:
            rows = tuple(self.rows(found.number, found.head.open_from, found.head.offset))
            check_run(rows, found.head.open_from, found.head.offset)
        receipts = self._newest_receipts(found.number, self.limits.receipts_in_memory + 1)
        newest = receipts[-self.limits.receipts_in_memory :]
        return Loaded(found.head, rows, newest, len(newest) < len(receipts))

    def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """Return a page of rows; see `Journal.read`."""
        found = self.find(thread)
        check_position(after, found.head, self.first_epoch)
        if found.number is None or after.offset == found.head.offset:
            return ()
        last = self._page_end(found.number, after.offset, limit_bytes)
        rows = [r for r in self.rows(found.number, after.offset, last) if r.to > after.offset]
        if rows and rows[0].offset <= after.offset:
            raise PositionUnrecoverable("compacted")
        page = tuple(rules.first_bytes(rows, limit_bytes))
        check_run(page, after.offset + 1, page[-1].to if page else found.head.offset)
        return page

    def _page_end(self, number: int, after: int, limit_bytes: int) -> int:
        """Return an offset up to which the rows are sure to fill a page, without reading them."""
        raise NotImplementedError

    def rows(self, number: int, first: int, last: int) -> Iterator[Row]:
        """Yield the rows that begin within a run of offsets, and those packed with them.

        Raises:
            JournalCorrupt: where one of them is damaged.
        """
        end = spot(number, last)
        start = self._block_holding(number, first)
        while blocks := gather(self.db, _BLOCKS, (start, end, _EVENTS)):
            for block in blocks:
                yield from _rows_of_block(number, block)
            start = blocks[-1].key + 1
