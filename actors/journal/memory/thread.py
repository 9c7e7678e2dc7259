"""A thread's rows, parts and keys in memory, and what happens to them there."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator
from typing import TYPE_CHECKING

import attrs
from attrs import define, evolve

from ...core.event_codec import Row
from ...core.refusals import no_such_item
from .. import copying, rules
from ..contract import Append, Cut, Head, Kept, Receipt, Settled

if TYPE_CHECKING:
    from ...core.items import Item


@define
class Part:
    """A settled part, what a truncation left of it, and whether compaction has been here."""

    settled: Settled
    keep: int | None = None
    hidden: bool = False
    due: bool = True

    @property
    def items(self) -> tuple[Item, ...]:
        """What of its items a reader may see."""
        return rules.kept(self.settled.items, self.keep)

    def cut(self, cut: Cut, floor: int) -> None:
        """Hide what a truncation took; records stay, and so does what came behind it."""
        if self.settled.state is None or not cut.place <= self.settled.place <= floor:
            return
        left = rules.left_of(self.settled, cut)
        if left is None:
            self.hidden = self.due = True
        elif len(rules.kept(self.items, left)) < len(self.items):
            self.keep, self.due = left, True


@define
class StoredThread:
    """What is stored of one thread."""

    head: Head
    rows: list[Row] = attrs.field(factory=list)
    parts: list[Part] = attrs.field(factory=list)
    receipts: dict[tuple[str, str], Receipt] = attrs.field(factory=dict)
    kept: Kept | None = None

    def rows_after(self, offset: int) -> list[Row]:
        """Return the rows that end behind an offset."""
        return self.rows[bisect_right(self.rows, offset, key=lambda row: row.to) :]

    def shown(self) -> Iterator[Part]:
        """Yield the parts that a reader may see, newest first."""
        return (part for part in reversed(self.parts) if not part.hidden)

    def note(self, receipt: Receipt) -> None:
        """Keep a receipt as the newest."""
        self.receipts.pop((receipt.principal, receipt.key), None)
        self.receipts[receipt.principal, receipt.key] = receipt

    def part(self, owner: str) -> Part | None:
        """Return a part that a reader may see, by who owns it."""
        return next((part for part in self.shown() if part.settled.owner == owner), None)


def apply(append: Append, thread: StoredThread) -> None:
    """Make a step of the writer's part of a thread."""
    if append.delete:
        thread.head = Head(epoch=append.head.epoch)
        thread.rows, thread.parts, thread.receipts, thread.kept = [], [], {}, None
        return
    thread.head = append.head
    thread.rows.extend(append.rows)
    for settled in append.settled:
        insort(thread.parts, Part(settled), key=lambda part: part.settled.place)
    for receipt in append.receipts:
        thread.note(receipt)
    thread.kept = append.kept or thread.kept
    if append.cut is not None:
        for part in thread.parts:
            part.cut(append.cut, append.head.floor)


def copied(source: StoredThread, after: str | None) -> Iterator[Settled]:
    """Yield what a fork copies, oldest part first."""
    if after is None:
        return
    found = source.part(rules.named_item(after)[0])
    newest = None if found is None else evolve(found.settled, items=found.items)
    last = copying.last_copied(newest, after)
    for part in tuple(source.parts):  # which a compaction may change meanwhile
        if not part.hidden and part.settled.place < last.place:
            yield evolve(part.settled, items=part.items)
    yield last


def parts_before(thread: StoredThread, before: str | int | None) -> Iterator[tuple[Item, ...]]:
    """Yield the items of each part, newest first, older than an item or not above a place."""
    if isinstance(before, str):
        part = thread.part(rules.named_item(before)[0])
        if part is None:
            raise no_such_item()
        yield rules.older_than(part.items, before)
        before = part.settled.place - 1
    for part in thread.shown():
        if before is None or part.settled.place <= before:
            yield part.items


def compact(thread: StoredThread, part: Part, merged_text_bytes: int) -> None:
    """Merge the rows of a part, or drop them where a truncation hid it."""
    settled = part.settled
    inside = [row for row in thread.rows if settled.first <= row.offset <= settled.last]
    own = rules.rows_of(inside, settled.owner)
    gone = {row.offset for row, _ in own}
    left = () if part.hidden else rules.compacted_rows(own, part.keep, merged_text_bytes)
    staying = [row for row in thread.rows if row.offset not in gone]
    thread.rows = sorted([*staying, *left], key=lambda row: row.offset)
    part.due = False
    if part.hidden:
        thread.parts.remove(part)


def count_left(part: Part, place: int, keep: int) -> int:
    """Count the items of a part that a cut would leave."""
    if part.settled.state is None or part.settled.place < place:
        return len(part.items)
    return len(rules.kept(part.items, keep)) if part.settled.place == place else 0


def forget_keys(thread: StoredThread, before: float) -> None:
    """Drop the keys that were taken before a time, but for those of unsettled turns."""
    thread.receipts = {
        key: receipt
        for key, receipt in thread.receipts.items()
        if receipt.at >= before or receipt.turn in thread.head.unsettled
    }
