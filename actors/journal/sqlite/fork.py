"""A fork: a thread's history, read page by page and told anew in another, a portion at a time.

Each portion is a transaction of its own, so that appends go in between. Memory holds one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Final

from attrs import define, evolve

from ...core.thread_state import ThreadState
from ...errors import JournalCorrupt
from .. import copying, rules
from ..contract import Append, Copy
from .reader import Reader
from .schema import SPOTTED
from .spots import all_spots
from .statements import transaction
from .writer import Writer

if TYPE_CHECKING:
    from ...core.position import Position
    from ..contract import Settled
    from .reader import Found

# What the rows of an unfinished fork lie under: the number of a row in `thread` whose id begins so,
# as no thread's can. It is listed nowhere and found by nobody.
_STAGED: Final = "/staged/"
_BEHIND_STAGED: Final = "/staged0"
# Rows that a sweep deletes at a time.
_ROWS_AT_ONCE: Final = 1024


def is_staged(thread: str) -> bool:
    """Say whether an id in the table of threads is that of an unfinished fork."""
    return thread.startswith(_STAGED)


@define(eq=False)
class Forking:
    """One fork on its way; see `Journal.fork`.

    Args:
        reader, writer: the two halves.
        copy: what is asked.
        number: what it writes under, from the first portion on. `sweep` takes what was broken off.
    """

    reader: Reader
    writer: Writer
    copy: Copy
    number: int | None = None
    _telling: tuple[copying.Retelling, Iterator[Append]] | None = None

    def step(self) -> tuple[Position | None, int]:
        """Write a portion, in one transaction; with the last one, the thread is there.

        Returns:
            The head of the new thread once it is whole, and about how many bytes were written.

        Raises:
            Rejected, JournalCorrupt: as `Journal.fork`. It is given up, and nothing is there.
            sqlite3.Error: nothing is known to be durable, and the file must not be used on.
        """
        source, target = self.reader.find(self.copy.thread), self._target()
        copying.check_source(source.head)
        copying.check_absent(target.head)
        with transaction(self.reader.db):
            number, retelling, portions = self._begun(target)
            portion = next(portions)
            self.writer.write_rows(number, portion)
            made = self._publish(number, retelling, source, target) if retelling.whole else None
        return made, sum(len(row.body) for row in portion.rows)

    def _target(self) -> Found:
        try:
            return self.reader.find(self.copy.to)
        except JournalCorrupt as exc:  # it is not the source's, whose actor asks
            raise copying.damaged_target() from exc

    def _begun(self, target: Found) -> tuple[int, copying.Retelling, Iterator[Append]]:
        if self.number is None:
            # Never the target's own, where it has one: what asks for it must not meet these rows.
            self.number = self.writer.number_for(None)
            self.writer.write_head(f"{_STAGED}{self.number}", self.number, target.head)
        if self._telling is None:
            state = ThreadState(epoch=target.head.epoch)
            retelling = copying.Retelling(self.copy, state, self.reader.limits)
            self._telling = retelling, retelling.portions(_copied(self.reader, self.copy))
        return self.number, *self._telling

    def _publish(
        self, number: int, retelling: copying.Retelling, source: Found, target: Found
    ) -> Position:
        # Another life of the target may have come and gone meanwhile.
        head = evolve(retelling.state.head, epoch=target.head.epoch)
        self.writer.name_thread(self.copy.to, number, head)
        if self.copy.receipt is not None and source.number is not None:
            receipt = evolve(self.copy.receipt, forked=head.position)
            self.writer.write_receipt(source.number, receipt)
        return head.position


def _copied(reader: Reader, copy: Copy) -> Iterator[Settled]:
    """Yield what a fork copies, oldest part first."""
    if copy.after is None:
        return
    named = reader.settled(copy.thread, rules.named_item(copy.after)[0])
    last = copying.last_copied(named, copy.after)
    yield from reader.parts_below(copy.thread, last.place)
    yield last


def sweep(reader: Reader, kept: Collection[int | None]) -> bool:
    """Delete some of what forks have written that were broken off, in one short transaction.

    Args:
        kept: the numbers of those that are on their way.

    Returns:
        Whether more may be left.
    """
    sql = "SELECT number FROM thread WHERE id > ? AND id < ?"
    found = reader.db.execute(sql, (_STAGED, _BEHIND_STAGED)).fetchall()
    for (number,) in found:
        if number not in kept:
            with transaction(reader.db):
                _delete_some(reader, number)
            return True
    return False


def _delete_some(reader: Reader, number: int) -> None:
    for table in SPOTTED:
        some = f"SELECT spot FROM {table} WHERE spot BETWEEN ? AND ? LIMIT ?"
        sql = f"DELETE FROM {table} WHERE spot IN ({some})"
        if reader.db.execute(sql, (*all_spots(number), _ROWS_AT_ONCE)).rowcount:
            return
    reader.db.execute("DELETE FROM thread WHERE number = ?", (number,))
