"""The journal in memory: what the contract means, in the plainest form; for tests and simulation.

It needs no other task and no worker thread, so that a simulated run is the same every time.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import trio
from attrs import evolve

from ...core.refusals import no_such_item
from ...core.resume import check_position
from ...core.thread_state import ThreadState
from ...errors import (
    InternalError,
    JournalCorrupt,
    JournalFenced,
    JournalUnavailable,
    PositionUnrecoverable,
)
from ...limits import DEFAULT_LIMITS, Limits
from .. import copying, rules
from ..contract import (
    Append,
    Claim,
    Copy,
    Cut,
    Head,
    HistoryPage,
    Life,
    Loaded,
    Receipt,
    Settled,
    Statistics,
    Summary,
    SummaryPage,
)

if TYPE_CHECKING:
    from ...core.event_codec import Row
    from ...core.position import Position

from .thread import StoredThread, apply, compact, copied, count_left, forget_keys, parts_before

_OWNER: Final = operator.attrgetter("owner")
_PLACE: Final = operator.attrgetter("place")


class MemoryJournal:
    """A `Journal` whose rows live as long as the object does.

    It outlives the runtime that uses it: after `aclose` or `fail`, `reopen` hands it to the next.

    Args:
        first_epoch: the epoch of a thread that was never there; at least 1.
        limits: bounds a row, the receipts of a load and the text of a merged event.
    """

    def __init__(self, first_epoch: int = 1, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.first_epoch = first_epoch
        self._limits = limits
        self._threads: dict[str, StoredThread] = {}
        self._claims: dict[str, int] = {}
        self._damaged: set[str] = set()
        self._generation = 0
        self._unavailable: str | None = None
        self._statistics = Statistics()

    def reopen(self) -> None:
        """Start anew on the same rows, as a program does that opens its file again."""
        self._claims.clear()
        self._unavailable = None
        self._statistics = Statistics()

    def fail(self) -> None:
        """Behave from now on, until `reopen`, as a store does whose disk failed."""
        self._unavailable = "the journal failed"

    def damage(self, thread: str) -> None:
        """Behave from now on as if the rows of a thread could not be read."""
        self._damaged.add(thread)

    def mend(self, thread: str) -> None:
        """Undo `damage`."""
        self._damaged.discard(thread)

    def rows(self, thread: str) -> tuple[Row, ...]:
        """Return all rows of a thread, for whoever looks at the store itself."""
        return tuple(self._thread(thread).rows)

    def everything(self) -> Iterator[tuple[str, int, tuple[Row, ...]]]:
        """Yield each thread that was ever written to, with its epoch and its rows."""
        for name, thread in self._threads.items():
            yield name, thread.head.epoch, tuple(thread.rows)

    async def aclose(self) -> None:
        """Close; see `Journal.aclose`."""
        self._unavailable = "the journal is closed"
        await trio.lowlevel.checkpoint()

    def statistics(self) -> Statistics:
        """Return the counts since the object was made or opened again."""
        return self._statistics

    # Writing.

    async def claim(self, thread: str) -> Claim:
        """Become the writer; see `Journal.claim`. When cancelled, nothing was claimed."""
        await self._ready(thread)
        self._generation += 1
        self._claims[thread] = self._generation
        return Claim(self._generation, self._loaded(thread))

    def release(self, thread: str, generation: int) -> None:
        """Give a claim back; see `Journal.release`."""
        if self._claims.get(thread) == generation:
            del self._claims[thread]

    async def append(self, append: Append) -> None:
        """Make a step durable; see `Journal.append`. When cancelled, nothing was written."""
        await self._ready(append.thread)
        thread = self._thread(append.thread)
        if self._claims.get(append.thread) != append.generation:
            self._refuse(JournalFenced("another writer has the thread"))
        if thread.head.position != append.expected:
            self._refuse(JournalFenced("the thread is not where the writer believes it to be"))
        self._check(append, thread)
        self._threads[append.thread] = thread
        apply(append, thread)
        self._count(commits=1, appends=1, rows=len(append.rows))

    async def append_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        """Make many durable, one after the other; see `Journal.append_many`."""
        return [await self._outcome(append) for append in appends]

    async def _outcome(self, append: Append) -> Exception | None:
        try:
            await self.append(append)
        except Exception as exc:  # of this append, and told to whoever made it
            return exc
        return None

    async def fork(self, copy: Copy) -> Position:
        """Begin a thread with another's history; see `Journal.fork`."""
        await self._ready(copy.thread)
        source, target = self._forkable(copy)
        retelling = copying.Retelling(copy, ThreadState(epoch=target.head.epoch), self._limits)
        made = StoredThread(target.head)
        for portion in retelling.portions(copied(source, copy.after)):
            apply(portion, made)
            if not retelling.whole:
                await self._ready(copy.thread)  # others go on meanwhile
                source, target = self._forkable(copy)
        made.head = evolve(made.head, epoch=target.head.epoch)
        self._claims.pop(copy.to, None)
        self._threads[copy.to] = made
        if copy.receipt is not None:
            source.note(evolve(copy.receipt, forked=made.head.position))
        self._count(commits=1, appends=1, rows=len(made.rows))
        return made.head.position

    def _forkable(self, copy: Copy) -> tuple[StoredThread, StoredThread]:
        """Return source and target of a fork that may go on."""
        if copy.to in self._damaged:
            raise copying.damaged_target()
        if self._claims.get(copy.thread) != copy.generation:
            self._refuse(JournalFenced("another writer has the thread"))
        source, target = self._thread(copy.thread), self._thread(copy.to)
        copying.check_source(source.head)
        copying.check_absent(target.head)
        return source, target

    def _check(self, append: Append, thread: StoredThread) -> None:
        try:
            rules.check_append(append, self._limits.frame_bytes)
        except InternalError as exc:
            self._refuse(exc)
        parts = [*(part.settled for part in thread.shown()), *append.settled]
        if append.settled and any(
            len(set(map(key, parts))) < len(parts) for key in (_OWNER, _PLACE)
        ):
            self._refuse(InternalError("a part of history cannot be settled twice"))

    def _refuse(self, error: Exception) -> None:
        self._count(refused=1)
        raise error

    def _count(self, **more: int) -> None:
        was = self._statistics
        self._statistics = evolve(was, **{k: getattr(was, k) + n for k, n in more.items()})

    # Reading.

    async def load(self, thread: str) -> Loaded:
        """Read what a writer needs; see `Journal.load`."""
        await self._ready(thread)
        return self._loaded(thread)

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """Return rows after a position; see `Journal.read`."""
        await self._ready(thread)
        found = self._thread(thread)
        check_position(after, found.head, self.first_epoch)
        rows = found.rows_after(after.offset)
        if rows and rows[0].offset <= after.offset:
            raise PositionUnrecoverable("compacted")
        return tuple(rules.first_bytes(rows, limit_bytes))

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        """Return the newest items; see `Journal.history`."""
        await self._ready(thread)
        found = self._thread(thread)
        if found.head.life is Life.ABSENT:
            return HistoryPage(found.head, (), None)
        items, older = rules.page_of(parts_before(found, before), limit, limit_bytes)
        return HistoryPage(found.head, items, older)

    async def settled(self, thread: str, owner: str) -> Settled | None:
        """Return one part of history; see `Journal.settled`."""
        await self._ready(thread)
        part = self._thread(thread).part(owner)
        return None if part is None else evolve(part.settled, items=part.items)

    async def records(self, thread: str, after: int, limit_bytes: int) -> tuple[Row, ...]:
        """Return the records behind an offset; see `Journal.records`."""
        await self._ready(thread)
        found = self._thread(thread)
        places = {p.settled.place for p in found.parts if p.settled.state is None}
        rows = (row for row in found.rows_after(after) if row.offset in places)
        return tuple(rules.first_bytes(rows, limit_bytes))

    async def locate(self, thread: str, after: str | None) -> Cut:
        """Return what a truncation would leave; see `Journal.locate`."""
        await self._ready(thread)
        found = self._thread(thread)
        place = keep = 0
        if after is not None:
            owner, keep = rules.named_item(after)
            part = found.part(owner)
            if part is None:
                raise no_such_item()
            rules.check_cut(part.settled, part.items, after)
            place = part.settled.place
        return Cut(place, keep, sum(count_left(part, place, keep) for part in found.shown()))

    async def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        """Return the receipt of a key; see `Journal.receipt`."""
        await self._ready(thread)
        return self._thread(thread).receipts.get((principal, key))

    async def summaries(self, after: str | None, limit: int) -> SummaryPage:
        """List the threads, last activity first; see `Journal.summaries`."""
        await self._ready()
        there = [Summary(t, s.head) for t, s in self._threads.items() if s.head.life != Life.ABSENT]
        there.sort(key=_listing_key)
        if after is not None:
            active_at, thread = rules.parse_token(after)
            there = [s for s in there if _listing_key(s) > (-active_at, thread)]
        page = tuple(there[:limit])
        more = len(there) > limit
        token = rules.page_token(page[-1].head.active_at, page[-1].thread) if more else None
        return SummaryPage(page, token)

    async def unsettled(self) -> tuple[str, ...]:
        """Return the threads with unsettled turns, by id; see `Journal.unsettled`."""
        await self._ready()
        return tuple(sorted(name for name, t in self._threads.items() if t.head.unsettled))

    def _loaded(self, thread: str) -> Loaded:
        found = self._thread(thread)
        head, receipts = found.head, tuple(found.receipts.values())
        rows = () if head.open_from is None else tuple(found.rows_after(head.open_from - 1))
        newest = receipts[-self._limits.receipts_in_memory :]
        return Loaded(head, rows, newest, len(newest) < len(receipts), found.kept)

    # Compacting.

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        """Merge and drop; see `Journal.compact`. When cancelled, nothing was compacted."""
        await self._ready()
        # What a truncation took goes first: it was to be gone.
        due = [
            (not part.hidden, part.settled.ended_at, number, part.settled.place, thread, part)
            for number, thread in enumerate(self._threads.values())
            for part in thread.parts
            if part.due and part.settled.state is not None and part.settled.ended_at < ended_before
        ]
        due.sort(key=lambda each: each[:4])
        for *_, thread, part in due[:limit]:
            compact(thread, part, self._limits.merged_text_bytes)
        for thread in self._threads.values():
            forget_keys(thread, keys_before)
        self._count(compacted=len(due[:limit]))
        return len(due[:limit])

    # What both share.

    async def _ready(self, thread: str | None = None) -> None:
        """Let others run once, then raise what stands in the way of the call."""
        await trio.lowlevel.checkpoint()
        if self._unavailable is not None:
            raise JournalUnavailable(self._unavailable)
        if thread is not None:
            self._check_readable(thread)

    def _check_readable(self, thread: str) -> None:
        if thread in self._damaged:
            raise JournalCorrupt("the thread cannot be read")

    def _thread(self, thread: str) -> StoredThread:
        found = self._threads.get(thread)
        return StoredThread(Head(epoch=self.first_epoch)) if found is None else found


def _listing_key(summary: Summary) -> tuple[float, str]:
    return -summary.head.active_at, summary.thread
