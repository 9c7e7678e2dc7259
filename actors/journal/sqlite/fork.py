"""A fork: one transaction that reads a thread's history page by page and tells it anew in another.

Memory holds a page at a time; the transaction holds the connection, so appends wait for its end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import evolve

from ...core.thread_state import ThreadState
from ...errors import JournalCorrupt
from .. import copying, rules
from .statements import transaction

if TYPE_CHECKING:
    from ...core.position import Position
    from ..contract import Copy, Settled
    from .reader import Found, Reader
    from .writer import Writer

# Bytes of events that are gathered before they are written.
_WRITTEN_AT_ONCE = 1 << 20


def fork(reader: Reader, writer: Writer, copy: Copy) -> tuple[Position, int]:
    """Begin a thread with another's history; see `Journal.fork`.

    Returns:
        Its head, and about how many bytes were written.

    Raises:
        Rejected, JournalCorrupt: as `Journal.fork`.
        sqlite3.Error: nothing is known to be durable, and the file must not be used on.
    """
    source, target = reader.find(copy.thread), _target(reader, copy.to)
    copying.check_source(source.head)
    copying.check_absent(target.head)
    retelling = copying.Retelling(copy, ThreadState(epoch=target.head.epoch), reader.limits)
    with transaction(reader.db):
        number = writer.number_for(target.number)
        size = _write(writer, number, retelling, _copied(reader, copy))
        made = retelling.state.head
        writer.write_head(copy.to, number, made)
        if copy.receipt is not None and source.number is not None:
            writer.write_receipt(source.number, evolve(copy.receipt, forked=made.position))
    return made.position, size


def _target(reader: Reader, thread: str) -> Found:
    try:
        return reader.find(thread)
    except JournalCorrupt as exc:  # it is not the source's, whose actor asks
        raise copying.damaged_target() from exc


def _copied(reader: Reader, copy: Copy) -> Iterator[Settled]:
    """Yield what a fork copies, oldest part first."""
    if copy.after is None:
        return
    named = reader.settled(copy.thread, rules.named_item(copy.after)[0])
    last = copying.last_copied(named, copy.after)
    yield from reader.parts_below(copy.thread, last.place)
    yield last


def _write(
    writer: Writer, number: int, retelling: copying.Retelling, parts: Iterator[Settled]
) -> int:
    steps, size, written = [retelling.begin()], 0, 0
    for part in parts:
        for step in retelling.part(part):
            steps.append(step)
            size += sum(len(row.body) for row in step.rows)
        if size > _WRITTEN_AT_ONCE:
            writer.write_rows(number, retelling.append(steps))
            steps, size, written = [], 0, written + size
    writer.write_rows(number, retelling.append([*steps, retelling.end()]))
    return written + size
