"""What every backend decides alike, as pure functions: checks, pages, what compaction leaves."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import orjson

from ..core.arguments import shown
from ..core.commands import FINALISING
from ..core.event_codec import Row, decode, encode
from ..core.events import Entry, TurnDelta, TurnItem, turn_of
from ..core.items import Item, item_owner
from ..core.merge import merge_entries
from ..core.refusals import no_such_item
from ..errors import InternalError, Rejected

if TYPE_CHECKING:
    from .contract import Append, Cut, Settled

# What is kept of a part of which no item stays.
_NONE: Final = -1


def check_append(append: Append, row_bytes: int) -> None:
    """Refuse a step that no writer may ask for.

    Args:
        append: the step; its rows and heads are checked against one another.
        row_bytes: the size of the largest body that a journal takes.

    Raises:
        InternalError: where the rows leave a gap or are too large, or the head does not fit them.
    """
    last = append.expected.offset
    for row in append.rows:
        if row.offset != last + 1 or row.to < row.offset:
            raise InternalError(f"offset {row.offset} cannot follow {last}")
        if len(row.body) > row_bytes:
            raise InternalError(f"the event at offset {row.offset} is over {row_bytes} bytes")
        last = row.to
    if not append.rows or not _head_fits(append, last):
        raise InternalError("the head does not fit the rows that lead to it")


def _head_fits(append: Append, last: int) -> bool:
    head, epoch = append.head, append.expected.epoch
    if append.delete:
        return head.epoch > epoch
    # What a cut hides has to lie below the floor: compaction leaves gaps there.
    cut_below_floor = append.cut is None or head.floor >= append.expected.offset
    return head.epoch == epoch and head.offset == last >= head.floor and cut_below_floor


def first_bytes(rows: Iterable[Row], limit_bytes: int) -> Iterator[Row]:
    """Yield rows until the next one would make them larger than `limit_bytes`; always the first."""
    size = 0
    for row in rows:
        size += len(row.body)
        if size > limit_bytes and size > len(row.body):
            return
        yield row


def page_of(
    parts: Iterable[Sequence[Item]], limit: int, limit_bytes: int
) -> tuple[tuple[Item, ...], str | None]:
    """Take the newest items of parts that come newest first; see `Journal.history`.

    Returns:
        The items, oldest first, and the id to page back from.
    """
    taken: list[Item] = []
    size = 0
    for item in (item for items in parts for item in reversed(items)):
        size += len(orjson.dumps(item.to_json()))
        if taken and (len(taken) == limit or size > limit_bytes):
            return tuple(reversed(taken)), taken[-1].item
        taken.append(item)
    return tuple(reversed(taken)), None


def named_item(item: str) -> tuple[str, int]:
    """Split an item's id that a client gave.

    Raises:
        Rejected: `item_not_found`, where it is none.
    """
    try:
        return item_owner(item)
    except ValueError:
        raise no_such_item() from None


def kept(items: Sequence[Item], keep: int | None) -> tuple[Item, ...]:
    """Return the items that a truncation left; all where `keep` is None."""
    return tuple(i for i in items if keep is None or item_owner(i.item)[1] <= keep)


def left_of(part: Settled, cut: Cut) -> int | None:
    """Return the highest item number that a truncation leaves of a turn; None where it all goes.

    What finalised its thread is known to have done so for good, so its turn stays, with no item.
    """
    if part.place == cut.place:
        return cut.keep
    return _NONE if part.owner == FINALISING else None


def check_cut(part: Settled, items: Sequence[Item], after: str) -> None:
    """Refuse a truncation after an item that is not there, or is a record.

    Raises:
        Rejected: `item_not_found`.
    """
    if part.state is None or after not in [item.item for item in items]:
        raise no_such_item()


def older_than(items: Sequence[Item], item: str) -> tuple[Item, ...]:
    """Return the items of a part before one of them.

    Raises:
        Rejected: `item_not_found`, where that one is not among them.
    """
    ids = [i.item for i in items]
    if item not in ids:
        raise no_such_item()
    return tuple(items[: ids.index(item)])


def rows_of(rows: Iterable[Row], owner: str) -> list[tuple[Row, Entry]]:
    """Pick the rows of one turn out of a run of rows, with their entries.

    Raises:
        JournalCorrupt: where a row cannot be read.
    """
    pairs = ((row, decode(row)) for row in rows)
    return [(row, entry) for row, entry in pairs if turn_of(entry.event) == owner]


def compacted_rows(
    own: Sequence[tuple[Row, Entry]], keep: int | None, merged_text_bytes: int
) -> tuple[Row, ...]:
    """Return what compaction leaves of a turn's rows: deltas merged, truncated items dropped.

    Args:
        own: the turn's rows, from `rows_of`.
        keep: the highest item number that a truncation left; None for all.
        merged_text_bytes: how much text one merged event may hold.
    """
    staying = [(row, entry) for row, entry in own if not _dropped(entry, keep)]
    as_they_are = {(row.offset, row.to): row for row, _ in staying}
    merged = merge_entries((entry for _, entry in staying), merged_text_bytes)
    return tuple(as_they_are.get((e.offset, e.to)) or encode(e) for e in merged)


def _dropped(entry: Entry, keep: int | None) -> bool:
    if keep is None or not isinstance(entry.event, TurnDelta | TurnItem):
        return False
    return item_owner(entry.event.item)[1] > keep


def page_token(active_at: float, thread: str) -> str:
    """Return the text that a listing is paged on with."""
    return f"{active_at.hex()}/{thread}"


def parse_token(token: str) -> tuple[float, str]:
    """Read `page_token` back.

    Raises:
        Rejected: `bad_request`, where it never made such a text.
    """
    active_at, slash, thread = token.partition("/") if isinstance(token, str) else ("", "", "")
    try:
        key = float.fromhex(active_at), thread
    except (ValueError, OverflowError):
        key = math.nan, thread
    if not slash or not math.isfinite(key[0]) or page_token(*key) != token:
        raise Rejected("bad_request", f"`after` is what an earlier page gave, not {shown(token)}")
    return key
