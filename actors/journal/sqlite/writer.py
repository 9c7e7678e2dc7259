"""The writing half: many threads' appends in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, evolve, field

from ...core.commands import FINALISING
from ...errors import HoldfastError, InternalError, JournalCorrupt, JournalFenced
from .. import rules
from ..contract import Append, Cut, Head, Receipt, Settled
from . import sealing
from .schema import SPOTTED
from .sealing import Part
from .spots import all_spots, offset_of, spot
from .statements import insert_many, is_corrupt, transaction
from .stored import part_of

if TYPE_CHECKING:
    from .reader import Reader

Outcomes: TypeAlias = list[HoldfastError | None]

# What can be wrong with one append while the file is sound.
_MISUSE: Final = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.ProgrammingError,
    OverflowError,
    TypeError,
    UnicodeEncodeError,
)
_PERHAPS_ITS_OWN: Final = (*_MISUSE, InternalError, JournalCorrupt, sqlite3.DatabaseError)

_HEAD_ONLY: Final = "ON CONFLICT (number) DO UPDATE SET crc = excluded.crc, body = excluded.body"
# A clause of its own: naming an indexed column rewrites the index even where nothing changes.
_HEAD_AND_LISTING: Final = f"{_HEAD_ONLY}, active_at = excluded.active_at, open = excluded.open"
_NEWEST_RECEIPT: Final = (
    "ON CONFLICT (thread, principal, key) DO UPDATE SET spot = excluded.spot,"
    " turn = excluded.turn, given_at = excluded.given_at, crc = excluded.crc, body = excluded.body"
)
_NEWEST_FOLD: Final = (
    "ON CONFLICT (spot) DO UPDATE SET last = excluded.last, crc = excluded.crc,"
    " body = excluded.body"
)


@define
class _Batch:
    """The rows of many appends for each table but `thread`."""

    events: list[tuple[Any, ...]] = field(factory=list)
    parts: list[tuple[Any, ...]] = field(factory=list)
    items: list[tuple[Any, ...]] = field(factory=list)
    receipts: list[tuple[Any, ...]] = field(factory=list)
    folds: list[tuple[Any, ...]] = field(factory=list)

    def add(self, number: int, append: Append) -> None:
        for row in append.rows:
            self.events.append(sealing.event_row(number, row.offset, row.to, 0, row.body))
        for part in append.settled:
            self._add_part(number, part)
        if append.kept is not None:
            last, body = append.kept.offset, append.kept.body
            self.folds.append((spot(number, 0), last, sealing.seal(number, body, last), body))
        for receipt in append.receipts:
            self.receipts.append(_receipt_row(number, receipt))

    def _add_part(self, number: int, part: Settled) -> None:
        key, is_turn = spot(number, part.place), part.state is not None
        shown = len(part.items)
        body = sealing.encode_part(Part(part, shown))
        row = (key, number, part.owner, part.ended_at, is_turn, shown, is_turn)
        self.parts.append((*row, sealing.seal(number, body), body))
        if is_turn:  # a record's one event is as quickly read as its item
            items = sealing.encode_items(part.items)
            self.items.append((key, sealing.seal(number, items), items))

    def insert(self, db: sqlite3.Connection) -> None:
        insert_many(db, "event", self.events)
        insert_many(db, "part", self.parts)
        insert_many(db, "items", self.items)
        insert_many(db, "receipt", self.receipts, _NEWEST_RECEIPT)
        insert_many(db, "fold", self.folds, _NEWEST_FOLD)


class Writer:
    """Writes steps of threads that were claimed. No two of its calls may overlap.

    Args:
        reader: the reading half, on the same connection.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._db = db = reader.db
        self._limits = reader.limits
        # Of each claimed thread its number in the file, and its head as of the last commit.
        self._numbers: dict[str, int] = {}
        self._heads: dict[str, Head] = {}
        (newest,) = db.execute("SELECT max(number) FROM thread").fetchone()
        self._newest: int = newest or 0

    def claim(self, thread: str, number: int | None, head: Head) -> None:
        """Remember where a thread stands; one without a number is not in the file yet."""
        self._numbers[thread] = self.number_for(number)
        self._heads[thread] = head

    def number_for(self, number: int | None) -> int:
        """Return the number of a thread: a fresh one where it is not in the file yet."""
        if number is None:
            self._newest = number = self._newest + 1
        return number

    def write_rows(self, number: int, append: Append) -> None:
        """Write an append's rows and what they settled, within the caller's transaction."""
        batch = _Batch()
        batch.add(number, append)
        batch.insert(self._db)

    def write_head(self, thread: str, number: int, head: Head) -> None:
        """Write a thread's head, within the caller's transaction."""
        insert_many(self._db, "thread", [_head_row(thread, number, head)], _HEAD_AND_LISTING)

    def name_thread(self, thread: str, number: int, head: Head) -> None:
        """Make the rows under a number those of a thread, within the caller's transaction."""
        self._db.execute("DELETE FROM thread WHERE number = ? OR id = ?", (number, thread))
        self.write_head(thread, number, head)

    def write_receipt(self, number: int, receipt: Receipt) -> None:
        """Note a receipt, within the caller's transaction."""
        insert_many(self._db, "receipt", [_receipt_row(number, receipt)], _NEWEST_RECEIPT)

    def release(self, thread: str) -> None:
        """Forget a thread that has no writer any more."""
        self._numbers.pop(thread, None)
        self._heads.pop(thread, None)

    def commit(self, appends: Sequence[Append]) -> Outcomes:
        """Write appends in one transaction, each of them wholly or not at all.

        Returns:
            For each what is wrong with it, or None where it is durable.

        Raises:
            sqlite3.Error: nothing is known to be durable, and the file must not be used on.
        """
        try:
            return self._transaction(appends, self._write_together)
        except _PERHAPS_ITS_OWN as exc:
            if _own_fault(exc) is None:
                raise
            return self._transaction(appends, self._write_one_by_one)

    def _transaction(
        self,
        appends: Sequence[Append],
        write: Callable[[Sequence[Append], dict[str, Head]], Outcomes],
    ) -> Outcomes:
        moved: dict[str, Head] = {}
        with transaction(self._db):
            outcomes = write(appends, moved)
        self._heads.update(moved)
        return outcomes

    def _write_together(self, appends: Sequence[Append], moved: dict[str, Head]) -> Outcomes:
        outcomes = [self._admit(append, moved) for append in appends]
        admitted = [a for a, wrong in zip(appends, outcomes, strict=True) if wrong is None]
        self._write(admitted, {}, moved)
        return outcomes

    def _write_one_by_one(self, appends: Sequence[Append], moved: dict[str, Head]) -> Outcomes:
        return [self._write_alone(append, moved) for append in appends]

    def _write_alone(self, append: Append, moved: dict[str, Head]) -> HoldfastError | None:
        before = dict(moved)
        wrong = self._admit(append, moved)
        if wrong is not None:
            return wrong
        self._db.execute("SAVEPOINT alone")
        try:
            self._write([append], before, moved)
        except _PERHAPS_ITS_OWN as exc:
            wrong = _own_fault(exc)
            if wrong is None:
                raise
            self._db.execute("ROLLBACK TO alone")
            moved.clear()
            moved.update(before)
        self._db.execute("RELEASE alone")
        return wrong

    def _admit(self, append: Append, moved: dict[str, Head]) -> HoldfastError | None:
        """Say what is wrong with an append at first sight; where nothing is, move its thread on."""
        head, expected = moved.get(append.thread) or self._heads[append.thread], append.expected
        if head.offset != expected.offset or head.epoch != expected.epoch:
            return JournalFenced("the thread is not where the writer believes it to be")
        try:
            rules.check_append(append, self._limits.frame_bytes)
        except InternalError as exc:
            return exc
        moved[append.thread] = Head(append.head.epoch) if append.delete else append.head
        return None

    def _write(
        self, appends: Sequence[Append], before: Mapping[str, Head], after: Mapping[str, Head]
    ) -> None:
        batch = _Batch()
        for append in appends:
            number = self._numbers[append.thread]
            if not append.delete:
                batch.add(number, append)
            if append.cut is not None or append.delete:
                # These take away what has to be there by then, and leave what comes later.
                batch.insert(self._db)
                batch = _Batch()
                self._take_away(number, append)
        batch.insert(self._db)
        self._write_heads(dict.fromkeys([a.thread for a in appends]), before, after)

    def _write_heads(
        self, threads: Iterable[str], before: Mapping[str, Head], after: Mapping[str, Head]
    ) -> None:
        listed: list[tuple[Any, ...]] = []
        alike: list[tuple[Any, ...]] = []
        for thread in threads:
            old, new = before.get(thread) or self._heads[thread], after[thread]
            if sealing.moves_only(old, new):
                continue
            row = _head_row(thread, self._numbers[thread], new)
            same = old.offset and sealing.listing(old) == row[2:4]
            (alike if same else listed).append(row)
        insert_many(self._db, "thread", alike, _HEAD_ONLY)
        insert_many(self._db, "thread", listed, _HEAD_AND_LISTING)

    def _take_away(self, number: int, append: Append) -> None:
        if append.delete:
            for table in SPOTTED:
                sql = f"DELETE FROM {table} WHERE spot BETWEEN ? AND ?"
                self._db.execute(sql, all_spots(number))
        elif append.cut is not None:
            self._keep_of(number, append.cut, append.head.floor)
            self._drop_behind(number, append.cut.place, append.head.floor)

    def _drop_behind(self, number: int, place: int, floor: int) -> None:
        # What comes behind the floor came after the truncation.
        behind = spot(number, place + 1), spot(number, floor)
        turns = f"FROM part WHERE spot BETWEEN ? AND ? AND is_turn AND owner <> '{FINALISING}'"
        columns = "spot, ended_at, crc, body"
        self._db.execute(f"INSERT INTO dropped SELECT {columns} {turns}", behind)
        self._db.execute(f"DELETE {turns}", behind)
        self._db.execute("DELETE FROM items WHERE spot BETWEEN ? AND ?", behind)

    def _keep_of(self, number: int, cut: Cut, floor: int) -> None:
        finalising = self._reader.part_owned_by(number, FINALISING)
        rows = self._reader.parts_at(number, cut.place)
        if finalising is not None and cut.place < offset_of(finalising.key) <= floor:
            rows.append(finalising)
        for row in rows:
            part = part_of(number, row)
            (items,) = self._reader.items_of_parts(number, [row])
            keep = rules.left_of(part.settled, cut)
            left = rules.kept(items, keep)
            if part.settled.state is not None and len(left) < len(items):
                body = sealing.encode_part(evolve(part, shown=len(left), keep=keep))
                sql = "UPDATE part SET due = 1, shown = ?, crc = ?, body = ? WHERE spot = ?"
                crc = sealing.seal(number, body)
                self._db.execute(sql, (len(left), crc, body, row.key))


def _receipt_row(number: int, receipt: Receipt) -> tuple[Any, ...]:
    body = sealing.encode_receipt(receipt)
    who = (number, receipt.principal, receipt.key, receipt.turn, receipt.at)
    return *who, spot(number, receipt.offset), sealing.seal(number, body), body


def _head_row(thread: str, number: int, head: Head) -> tuple[Any, ...]:
    body = sealing.encode_head(thread, head)
    return number, thread, *sealing.listing(head), sealing.seal(number, body), body


def _own_fault(exc: Exception) -> HoldfastError | None:
    """Return what to tell the writer of the append, or None where the file is at fault."""
    if isinstance(exc, InternalError | JournalCorrupt):
        return exc
    if isinstance(exc, sqlite3.IntegrityError) and "event.spot" in str(exc):
        return JournalCorrupt("there are events behind the head")
    if isinstance(exc, _MISUSE):
        refused = InternalError("the journal refused a step that breaks its rules")
        refused.__cause__ = exc
        return refused
    if is_corrupt(exc):
        return JournalCorrupt("the part of the file where the thread lies is damaged")
    return None
