"""Rows as they are stored: blocks of events read in order, unsealed, and checked for gaps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from attrs import evolve

from ...core.event_codec import Row
from . import sealing
from .sealing import damaged
from .spots import OFFSET_BITS, offset_of
from .statements import Sealed, gather

if TYPE_CHECKING:
    import sqlite3

    from ..contract import Head, Settled

# How much one statement reads: few enough rows to stay short, so many that statements are few.
EVENTS_AT_ONCE = 2048

_BLOCKS = (
    "SELECT spot k, last << 1 | packed x, crc, body FROM event"
    " WHERE spot BETWEEN ? AND ? ORDER BY spot LIMIT ?"
)

_HEAD_ALONE = "SELECT number k, 0 x, crc, body FROM thread WHERE number = ? LIMIT 1"

# The offset of a thread's last event, for a query of the table of threads. It is that of the row at
# the least, whatever a damaged one says, so that whoever reads up to it meets the damage.
LAST_EVENT = (
    "coalesce((SELECT max(coalesce(CAST(last AS INTEGER), 0),"
    f" spot & {(1 << OFFSET_BITS) - 1}) FROM event WHERE spot >= number << {OFFSET_BITS}"
    f" AND spot < (number + 1) << {OFFSET_BITS} ORDER BY spot DESC LIMIT 1), 0)"
)


def head_of(row: Sealed) -> tuple[str, Head]:
    """Return a thread's id and its head.

    Args:
        row: the thread's number, the offset of its last event, and the head as it is stored.

    Raises:
        JournalCorrupt: where the head is damaged.
    """
    thread, head = sealing.decode_head(row.checked(row.key, "the head"))
    if head.open_from is not None and row.extra > head.offset:  # see `sealing.moves_only`
        head = evolve(head, offset=row.extra)
    return thread, head


def floor_of(db: sqlite3.Connection, number: int) -> int:
    """Return a thread's floor, as its head is stored.

    Raises:
        JournalCorrupt: where the head is damaged.
    """
    (row,) = gather(db, _HEAD_ALONE, (number,))
    return sealing.decode_head(row.checked(number, "the head"))[1].floor


def blocks_between(
    db: sqlite3.Connection, start: int, end: int, at_once: int = EVENTS_AT_ONCE
) -> Iterator[list[Sealed]]:
    """Yield the blocks whose keys lie in a range, lot by lot; they may change once yielded.

    Raises:
        JournalCorrupt: where damaged pages would make it go round in circles.
    """
    while blocks := gather(db, _BLOCKS, (start, end, at_once)):
        check_progress(blocks[-1].key >= start)
        start = blocks[-1].key + 1
        yield blocks


def check_progress(made: bool) -> None:
    """Raise `JournalCorrupt` where keys did not come in the order that was asked for."""
    if not made:
        raise damaged("the order of rows")


def rows_in(number: int, block: Sealed) -> list[Row]:
    """Return the rows in a block, from `blocks_between`."""
    offset = offset_of(block.key)
    body = block.checked(number, f"the event at offset {offset}", block.extra)
    return sealing.unpack(body) if block.extra & 1 else [Row(offset, block.extra >> 1, body)]


def part_of(number: int, row: Sealed) -> sealing.Part:
    """Return a part of history as it is stored."""
    return sealing.decode_part(row.checked(number, f"the history at offset {offset_of(row.key)}"))


def spans_of(part: Settled) -> tuple[tuple[int, int], ...]:
    """Return the runs of offsets that hold a part's events, and little else.

    A turn that was queued has one event from then; what lies between is other turns'.
    """
    if part.place > part.first + 1:
        return (part.first, part.first), (part.place, part.last)
    return ((part.first, part.last),)


def check_run(rows: Sequence[Row], first: int, last: int) -> None:
    """Check that rows lie next to one another over a run of offsets.

    Raises:
        JournalCorrupt: where they do not.
    """
    place = first
    for row in rows:
        if row.offset != place:
            raise damaged(f"the run of events at offset {place}")
        place = row.to + 1
    if place != last + 1:
        raise damaged(f"the run of events at offset {place}")


def highest_of(parts: Sequence[Sealed]) -> int:
    """Return the place of the first of parts that come newest first; 0 where there is none."""
    return offset_of(parts[0].key) if parts else 0


def page_by_page(parts: Iterable[Sealed], limit_bytes: int) -> Iterator[list[Sealed]]:
    """Split parts so that each lot but its last one fits into a page."""
    lot: list[Sealed] = []
    size = 0
    for part in parts:
        lot.append(part)
        size += part.extra
        if size > limit_bytes:
            yield lot
            lot, size = [], 0
    if lot:
        yield lot
