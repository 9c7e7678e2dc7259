"""What lies in the file as bytes: every body with its checksum, and rows packed into blocks."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, Final

import orjson
from attrs import frozen

from ...core.event_codec import Row
from ...core.items import Item
from ...core.position import Position
from ...core.turn_lifecycle import TurnState
from ...errors import JournalCorrupt
from ..contract import Head, Life, Receipt, Settled
from .spots import spot

# An odd constant, to spread small numbers over 32 bits.
_SPREAD: Final = 0x9E3779B1

_BUT_OFFSET: Final = attrgetter(
    *("epoch", "floor", "life", "created_at", "active_at"),
    *("items", "settled", "live", "queued", "open_from"),
)


def seal(number: int, body: bytes, extra: int = 0) -> int:
    """Return the checksum of a body that belongs to the thread with that number.

    Args:
        number: the thread's number.
        body: the bytes.
        extra: what else in the row has to be as it was written.
    """
    return zlib.crc32(body, (number ^ extra * _SPREAD) & 0xFFFFFFFF)


def event_row(
    number: int, offset: int, to: int, packed: int, body: bytes
) -> tuple[int, int, int, int, bytes]:
    """Return a row of the table of events."""
    crc = seal(number, body, to << 1 | packed)
    return spot(number, offset), to, packed, crc, body


def damaged(what: str) -> JournalCorrupt:
    """Return the error for a part of the file that cannot be right."""
    return JournalCorrupt(f"{what} is damaged")


def encode_head(thread: str, head: Head) -> bytes:
    """Return a head as bytes."""
    return orjson.dumps(
        [
            thread,
            head.epoch,
            head.offset,
            head.floor,
            head.life,
            head.created_at,
            head.active_at,
            head.items,
            head.settled,
            head.live,
            head.queued,
            head.open_from,
        ]
    )


def decode_head(body: bytes) -> tuple[str, Head]:
    """Read a thread's id and its head back."""
    thread, epoch, offset, floor, life, created, active, items, settled, live, queued, first = (
        orjson.loads(body)
    )
    head = Head(
        epoch=epoch,
        offset=offset,
        floor=floor,
        life=Life(life),
        created_at=created,
        active_at=active,
        items=items,
        settled=settled,
        live=live,
        queued=tuple(queued),
        open_from=first,
    )
    return thread, head


def moves_only(old: Head, new: Head) -> bool:
    """Say whether a head differs from the one before by its offset alone, while a turn is open.

    Such a head is not stored: its events tell the offset, and whoever goes on from it reads them.
    """
    return new.open_from is not None and _BUT_OFFSET(old) == _BUT_OFFSET(new)


def listing(head: Head) -> tuple[float | None, bool]:
    """Return what a thread is listed by: its last activity, and whether a turn is unsettled."""
    active_at = None if head.life is Life.ABSENT else head.active_at
    return active_at, bool(head.live or head.queued)


@frozen
class Part:
    """A part of history as it is stored.

    Args:
        settled: the part, without its items.
        shown: how many items it has.
        keep: the highest item number that a truncation left; None for all.
    """

    settled: Settled
    shown: int
    keep: int | None = None


def encode_part(part: Part) -> bytes:
    """Return a part of history as bytes."""
    it = part.settled
    where = (it.place, it.owner, it.first, it.last, it.ended_at, it.state)
    return orjson.dumps([*where, part.shown, part.keep])


def decode_part(body: bytes) -> Part:
    """Read a part of history back."""
    place, owner, first, last, ended_at, state, shown, keep = orjson.loads(body)
    turn_state = None if state is None else TurnState(state)
    return Part(Settled(place, owner, first, last, ended_at, turn_state), shown, keep)


def encode_items(items: Iterable[Item]) -> bytes:
    """Return items as bytes."""
    return orjson.dumps([item.to_json() for item in items])


def decode_items(body: bytes) -> tuple[Item, ...]:
    """Read items back."""
    return tuple(Item.from_json(raw) for raw in orjson.loads(body))


def encode_receipt(receipt: Receipt) -> bytes:
    """Return a receipt as bytes."""
    who = (receipt.principal, receipt.key, receipt.digest)
    forked = (receipt.forked.epoch, receipt.forked.offset) if receipt.forked else ()
    return orjson.dumps([*who, receipt.turn, receipt.offset, receipt.at, *forked])


def decode_receipt(body: bytes) -> Receipt:
    """Read a receipt back."""
    principal, key, digest, turn, offset, at, *forked = orjson.loads(body)
    where = Position(*forked) if forked else None
    return Receipt(principal, key, digest, turn, offset, at, where)


def pack(rows: Iterable[Row], block_bytes: int) -> Iterator[tuple[int, int, int, bytes]]:
    """Pack contiguous rows into blocks, compressed where that makes them smaller.

    Args:
        rows: in order of offsets; a gap begins another block.
        block_bytes: how large a block may be before it is compressed; one row always fits.

    Yields:
        First offset, last offset, whether it is packed (0 or 1), and the body, of each block.
    """
    run: list[Row] = []
    size = 0
    for row in rows:
        size += len(row.body)
        if run and (row.offset != run[-1].to + 1 or size > block_bytes):
            yield _block(run)
            run, size = [], len(row.body)
        run.append(row)
    if run:
        yield _block(run)


def _block(run: list[Row]) -> tuple[int, int, int, bytes]:
    index: list[Any] = [(row.offset, row.to, len(row.body)) for row in run]
    payload = orjson.dumps(index) + b"\n" + b"".join(row.body for row in run)
    body = zlib.compress(payload)
    if len(run) == 1 and len(body) >= len(run[0].body):
        return run[0].offset, run[0].to, 0, run[0].body
    return run[0].offset, run[-1].to, 1, body


def unpack(body: bytes) -> list[Row]:
    """Return the rows of a packed block."""
    index, _, bodies = zlib.decompress(body).partition(b"\n")
    rows: list[Row] = []
    start = 0
    for offset, to, length in orjson.loads(index):
        rows.append(Row(offset, to, bodies[start : start + length]))
        start += length
    return rows
