"""The reading half: pages of bounded size, every row checked against its seal."""

from __future__ import annotations

import itertools
import logging
import math
import sqlite3
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import orjson
from attrs import evolve, frozen

from ...core.event_codec import Row, decode
from ...core.projections import fold_turn
from ...core.refusals import no_such_item
from ...core.resume import check_position
from ...errors import JournalCorrupt, PositionUnrecoverable
from ...limits import Limits
from .. import rules
from ..contract import (
    Cut,
    Head,
    HistoryPage,
    Kept,
    Life,
    Loaded,
    Receipt,
    Settled,
    Summary,
    SummaryPage,
)
from . import sealing
from .sealing import damaged
from .spots import all_spots, offset_of, spot
from .statements import Sealed, gather
from .stored import (
    EVENTS_AT_ONCE,
    LAST_EVENT,
    blocks_between,
    check_progress,
    check_run,
    floor_of,
    head_of,
    highest_of,
    page_by_page,
    part_of,
    rows_in,
    spans_of,
)

if TYPE_CHECKING:
    from ...core.items import Item
    from ...core.position import Position

log = logging.getLogger("holdfast.journal")

# How much one statement reads, as `stored.EVENTS_AT_ONCE` for events.
RECORDS_AT_ONCE = 512
_PARTS_AT_ONCE = 16
# Bytes that the body of an event takes at the least, so that no more are looked at than may fit.
_LEAST_BODY = 32

_SIZES = (
    "SELECT group_concat(spot), group_concat(size) FROM (SELECT spot, length(body) size FROM event"
    " WHERE spot BETWEEN ? AND ? ORDER BY spot LIMIT ?)"
)
_HEADS = f"SELECT number k, {LAST_EVENT} x, crc, body FROM thread"
_BLOCK_BEFORE = "SELECT max(spot) FROM event WHERE spot BETWEEN ? AND ?"
_LAST_OF = "SELECT last FROM event WHERE spot = ?"
# The extra number is the size of the items that are there ready folded.
_PART = (
    "SELECT spot k, coalesce((SELECT length(body) FROM items WHERE items.spot = part.spot), 0) x,"
    " crc, body FROM part"
)
_PARTS_BELOW = f"{_PART} WHERE spot BETWEEN ? AND ? ORDER BY spot DESC LIMIT ?"
_PARTS_ABOVE = f"{_PART} WHERE spot BETWEEN ? AND ? ORDER BY spot LIMIT ?"
_PART_OF = f"{_PART} WHERE thread = ? AND owner = ? LIMIT 1"
_ITEMS = "SELECT spot k, 0 x, crc, body FROM items WHERE spot BETWEEN ? AND ? ORDER BY spot LIMIT ?"
_SHOWN_BEHIND = "SELECT coalesce(sum(shown), 0) FROM part WHERE spot > ? AND spot <= ? AND is_turn"
# A record's one event lies by itself at the record's place; where it is missing, its seal fails.
_RECORDS = (
    "SELECT part.spot k, coalesce(event.last << 1 | event.packed, 0) x, event.crc, event.body"
    " FROM part LEFT JOIN event ON event.spot = part.spot"
    " WHERE part.spot BETWEEN ? AND ? AND NOT part.is_turn ORDER BY part.spot LIMIT ?"
)
_KEPT = "SELECT spot k, last x, crc, body FROM fold WHERE spot = ? LIMIT 1"
_RECEIPT = "SELECT spot k, 0 x, crc, body FROM receipt"
_RECEIPT_OF = f"{_RECEIPT} WHERE thread = ? AND principal = ? AND key = ? LIMIT 1"
_NEWEST_RECEIPTS = f"{_RECEIPT} WHERE spot BETWEEN ? AND ? ORDER BY spot DESC LIMIT ?"
_LISTED = (
    f"{_HEADS} WHERE active_at IS NOT NULL AND active_at <= ?"
    " AND (active_at < ? OR id > ?) ORDER BY active_at DESC, id LIMIT ?"
)


@frozen
class Found:
    """A thread as it is in the file; `number` is None where it never was there."""

    number: int | None
    head: Head


@frozen
class Reader:
    """Reads threads. No two of its calls may overlap, nor one of them and a writer's.

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
        for row in gather(self.db, f"{_HEADS} WHERE id = ? LIMIT 1", (thread,)):
            name, head = head_of(row)
            if name != thread:
                raise damaged("the head")
            return Found(row.key, head)
        return Found(None, Head(epoch=self.first_epoch))

    def load(self, found: Found) -> Loaded:
        """Return what a writer needs of a thread; see `Journal.load`."""
        number, head = found.number, found.head
        if number is None:
            return Loaded(head)
        rows: tuple[Row, ...] = ()
        if head.open_from is not None:
            rows = tuple(self.rows(number, head.open_from, head.offset))
            check_run(rows, head.open_from, head.offset)
        most = self.limits.receipts_in_memory
        found_receipts = gather(self.db, _NEWEST_RECEIPTS, (*all_spots(number), most + 1))
        newest = [_receipt(number, sealed) for sealed in reversed(found_receipts[:most])]
        more = len(found_receipts) > most
        return Loaded(head, rows, tuple(newest), more, self._kept(number))

    def _kept(self, number: int) -> Kept | None:
        for row in gather(self.db, _KEPT, (spot(number, 0),)):
            try:
                body = row.checked(number, "the fold of its records", row.extra)
            except JournalCorrupt as exc:  # the records tell it anew
                log.warning("thread number %d: %s", number, exc)
            else:
                return Kept(row.extra, body)
        return None

    # Rows.

    def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """Return a page of rows; see `Journal.read`."""
        found = self.find(thread)
        check_position(after, found.head, self.first_epoch)
        if found.number is None or after.offset == found.head.offset:
            return ()
        first = after.offset + 1
        last = self._page_end(found.number, first, found.head.offset, limit_bytes)
        rows = list(self.rows(found.number, first, last))
        if rows and rows[0].offset < first <= rows[0].to:
            raise PositionUnrecoverable("compacted")
        page = tuple(rules.first_bytes(rows, limit_bytes))
        check_run(page, first, page[-1].to if page else first)
        return page

    def records(self, thread: str, after: int, limit_bytes: int) -> tuple[Row, ...]:
        """Return a page of records; see `Journal.records`."""
        number = self.find(thread).number
        if number is None:
            return ()
        args = spot(number, after + 1), all_spots(number)[1], RECORDS_AT_ONCE
        found = gather(self.db, _RECORDS, args)
        rows = (row for block in found for row in rows_in(number, block))
        return tuple(rules.first_bytes(rows, limit_bytes))

    def rows(self, number: int, first: int, last: int) -> Iterator[Row]:
        """Yield the rows that hold any offset of a run; the ends may lie inside a row.

        Raises:
            JournalCorrupt: where one of them is damaged. Gaps are for the caller to see.
        """
        start, end = self._block_with(number, first), spot(number, last)
        for block in itertools.chain.from_iterable(blocks_between(self.db, start, end)):
            yield from (r for r in rows_in(number, block) if r.to >= first and r.offset <= last)

    def _block_with(self, number: int, offset: int) -> int:
        """Return the key of the last block that begins at or before an offset."""
        wanted = spot(number, offset)
        (key,) = self.db.execute(_BLOCK_BEFORE, (spot(number, 0), wanted)).fetchone()
        return wanted if key is None else int(key)

    def _page_end(self, number: int, first: int, last: int, limit_bytes: int) -> int:
        """Return an offset up to which the rows fill a page, or as far as one look can tell."""
        at_most = min(EVENTS_AT_ONCE, limit_bytes // _LEAST_BODY + 2)
        args = self._block_with(number, first), spot(number, last), at_most
        keys, sizes = self.db.execute(_SIZES, args).fetchone()
        if keys is None:
            return last
        # The first block may lie before the page for the larger part: it does not count.
        filled = itertools.accumulate(map(int, sizes.split(",")[1:]))
        fitting = len([size for size in filled if size <= limit_bytes])
        blocks = keys.split(",")
        # One block more than fits, since it may be packed and its first rows may fit.
        (end,) = self.db.execute(_LAST_OF, (int(blocks[: fitting + 2][-1]),)).fetchone()
        return int(end)

    # History.

    def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        """Return a page of items; see `Journal.history`."""
        found = self.find(thread)
        if found.head.life is Life.ABSENT:
            return HistoryPage(found.head, (), None)
        head = found.head
        parts = self._items_before(found, before, limit_bytes)
        items, older = rules.page_of(parts, limit, limit_bytes)
        whole = before is None or (isinstance(before, int) and before >= head.settled)
        if whole and older is None and len(items) != head.items:
            raise damaged(f"the history: {len(items)} of {head.items} items are there; it")
        return HistoryPage(head, items, older)

    def settled(self, thread: str, owner: str) -> Settled | None:
        """Return one part of history; see `Journal.settled`."""
        found = self.find(thread)
        row = self.part_owned_by(found.number, owner)
        if row is None or found.number is None:
            return None
        (items,) = self.items_of_parts(found.number, [row])
        return evolve(part_of(found.number, row).settled, items=items)

    def locate(self, thread: str, after: str | None) -> Cut:
        """Return what a truncation would leave; see `Journal.locate`."""
        found = self.find(thread)
        if after is None:
            return Cut(0, 0, found.head.items - self._shown_behind(found.number, 0))
        owner, keep = rules.named_item(after)
        row = self.part_owned_by(found.number, owner)
        if row is None or found.number is None:
            raise no_such_item()
        (items,) = self.items_of_parts(found.number, [row])
        part = part_of(found.number, row).settled
        rules.check_cut(part, items, after)
        behind = self._shown_behind(found.number, part.place)
        lost = len(items) - len(rules.kept(items, keep))
        return Cut(part.place, keep, found.head.items - behind - lost)

    def parts_below(self, thread: str, place: int) -> Iterator[Settled]:
        """Yield the parts in front of a place with their items, oldest first, a few at a time.

        What is written meanwhile is seen only where it lies behind what was read.
        """
        number, start = self.find(thread).number, 0
        while number is not None and start < place:
            args = spot(number, start), spot(number, place - 1), _PARTS_AT_ONCE
            rows = gather(self.db, _PARTS_ABOVE, args)
            if not rows:
                return
            for lot in page_by_page(rows, self.limits.page_bytes):
                parts = [part_of(number, row).settled for row in lot]
                items = [*self.items_of_parts(number, lot[::-1])][::-1]
                yield from (evolve(p, items=i) for p, i in zip(parts, items, strict=True))
            highest = offset_of(rows[-1].key)
            check_progress(highest >= start)
            start = highest + 1

    def _shown_behind(self, number: int | None, place: int) -> int:
        if number is None:
            return 0
        _, last = all_spots(number)
        (shown,) = self.db.execute(_SHOWN_BEHIND, (spot(number, place), last)).fetchone()
        return int(shown)

    def parts_at(self, number: int, place: int) -> list[Sealed]:
        """Return the part at a place, or nothing."""
        return gather(self.db, _PARTS_BELOW, (spot(number, place), spot(number, place), 1))

    def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        """Return the receipt of a key; see `Journal.receipt`."""
        number = self.find(thread).number
        if number is None:
            return None
        rows = gather(self.db, _RECEIPT_OF, (number, principal, key))
        return next((_receipt(number, sealed) for sealed in rows), None)

    def part_owned_by(self, number: int | None, owner: str) -> Sealed | None:
        """Return the part of a turn, or of a record, or None."""
        return next(iter(gather(self.db, _PART_OF, (number, owner))), None)

    def _items_before(
        self, found: Found, before: str | int | None, limit_bytes: int
    ) -> Iterator[tuple[Item, ...]]:
        """Yield the items of each part, newest part first, no more parts at once than fit a page.

        Raises Rejected, `item_not_found`, where there is no such item.
        """
        number, place = found.number, found.head.offset
        if isinstance(before, str):
            row = self.part_owned_by(number, rules.named_item(before)[0])
            if row is None or number is None:
                raise no_such_item()
            (items,) = self.items_of_parts(number, [row])
            yield rules.older_than(items, before)
            before = offset_of(row.key) - 1
        place = place if before is None else min(before, place)
        while number is not None and place > 0:
            args = spot(number, 0), spot(number, place), _PARTS_AT_ONCE
            parts = gather(self.db, _PARTS_BELOW, args)
            if place >= found.head.settled > max(found.head.floor, highest_of(parts)):
                raise damaged(f"the history at offset {found.head.settled}")
            for some in page_by_page(parts, limit_bytes):
                yield from self.items_of_parts(number, some)
            lowest = offset_of(parts[-1].key) if parts else 0
            check_progress(lowest <= place)
            place = lowest - 1

    def items_of_parts(self, number: int, parts: Sequence[Sealed]) -> Iterator[tuple[Item, ...]]:
        """Yield the items of neighbouring parts, given newest first."""
        args = parts[-1].key, parts[0].key, len(parts)
        ready = {row.key: row for row in gather(self.db, _ITEMS, args)}
        for row in parts:
            part = part_of(number, row)
            folded = ready.get(row.key)
            if folded is None:
                items = fold_turn(decode(row) for row in self.rows_of_part(number, part.settled))
            else:
                items = sealing.decode_items(folded.checked(number, "an item"))
            yield rules.kept(items, part.keep)

    def rows_of_part(self, number: int, part: Settled) -> list[Row]:
        """Return the rows of a turn or of a record.

        Raises:
            JournalCorrupt: where one of them is damaged, or the first or the last is missing; above
                the floor, where any is.
        """
        rows = [row for span in spans_of(part) for row in self._run(number, part, *span)]
        if part.state is None:
            own = [row for row in rows if row.offset == part.place]
        else:
            own = [row for row, _ in rules.rows_of(rows, part.owner)]
        if not own or own[0].offset != part.first or own[-1].to != part.last:
            raise damaged(f"the history at offset {part.place}")
        return own

    def _run(self, number: int, part: Settled, first: int, last: int) -> list[Row]:
        """Return the rows of a run, without a gap unless compaction may have left one.

        That it does only below the floor, of what a truncation took.
        """
        rows = list(self.rows(number, first, last))
        try:
            check_run(rows, first, last)
        except JournalCorrupt:
            if part.first > floor_of(self.db, number):
                raise
        return rows

    # Listing.

    def summaries(self, after: str | None, limit: int) -> SummaryPage:
        """Return a page of the threads that are there; see `Journal.summaries`."""
        active_at, thread = (math.inf, "") if after is None else rules.parse_token(after)
        rows = gather(self.db, _LISTED, (active_at, active_at, thread, limit + 1))
        # A damaged thread is in no listing; whoever asks for it is told.
        page = [s for s in map(_summary, rows[:limit]) if s is not None]
        return SummaryPage(tuple(page), self._token(rows[limit - 1]) if rows[limit:] else None)

    def unsettled(self) -> tuple[str, ...]:
        """Return the threads with unsettled turns; see `Journal.unsettled`."""
        (ids,) = self.db.execute("SELECT json_group_array(id) FROM thread WHERE open").fetchone()
        return tuple(sorted(orjson.loads(ids)))

    def _token(self, row: Sealed) -> str:
        sql = "SELECT active_at, id FROM thread WHERE number = ?"
        return rules.page_token(*self.db.execute(sql, (row.key,)).fetchone())


def _receipt(number: int, sealed: Sealed) -> Receipt:
    return sealing.decode_receipt(sealed.checked(number, "a receipt"))


def _summary(row: Sealed) -> Summary | None:
    try:
        return Summary(*head_of(row))
    except JournalCorrupt:
        return None
