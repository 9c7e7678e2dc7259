"""What a journal is: the append-only store with one writer per thread, and the values it speaks.

A journal knows places, not meanings: rows are bytes to it, and what an append means for listings,
history and idempotency comes along with the rows, worked out by the pure core. Every backend
passes the suite in `actors.testing.journal_contract`.

The rules that hold for every method:

- What a method returned, or reported by returning, is durable, and stays so after `kill -9` (I4).
- Reads see every append that was acknowledged before they began, and change nothing (I5).
- `JournalUnavailable` means that the store failed as a whole. Once an append raised it, every later
  call does too, until the journal is opened anew: a failed fsync is never tried again.
- A cancelled `append` may or may not have happened. It is never half there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import frozen

from ..core.event_codec import Row
from ..core.head import Cut, Head, Kept, Life, Receipt, Settled
from ..core.items import Item
from ..core.position import Position
from ..core.value import value

__all__ = [
    "Append",
    "Claim",
    "Copy",
    "Cut",
    "Head",
    "HistoryPage",
    "Journal",
    "Kept",
    "Life",
    "Loaded",
    "Receipt",
    "Settled",
    "Statistics",
    "Summary",
    "SummaryPage",
]


@value
class Append:
    """One atomic step of one thread: its rows, and what they mean.

    Args:
        thread: the thread's id.
        expected: the position that the writer believes to be the head; the first row follows it.
        generation: the writer's number, from `Journal.claim`.
        rows: at least one, contiguous.
        head: the head after the last row. It has no way into a journal but with the rows.
        settled: the parts of history that these rows settled.
        receipts: the keys that they accepted.
        cut: what a truncation among them leaves; at most one in an append.
        delete: the last row deletes the thread: all its data goes, a tombstone with the next epoch
            stays, and `head` names that epoch.
        kept: a fold of the records up to one before these rows, in place of the one that was kept.
    """

    thread: str
    expected: Position
    generation: int
    rows: tuple[Row, ...]
    head: Head
    settled: tuple[Settled, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    cut: Cut | None = None
    delete: bool = False
    kept: Kept | None = None


@frozen(kw_only=True)
class Copy:
    """A thread's history, up to an item, as the beginning of a thread that is not there.

    Args:
        thread: whose history.
        generation: the number of its writer, from `Journal.claim`.
        to: the new thread's id.
        after: the last item that is copied, of a turn or a record; None for none. Of its turn the
            items up to it are copied, and of everything else what stands before it in turn order.
        at: when it was asked for, Unix seconds.
        receipt: noted with `thread` in the same step, once it has the head of the new one.
    """

    thread: str
    generation: int
    to: str
    after: str | None
    at: float
    receipt: Receipt | None = None


@frozen
class Loaded:
    """A thread as a writer or a first viewer needs it.

    Args:
        head: where it stands; `Life.ABSENT` at the right epoch where it is not there.
        rows: the rows from `head.open_from` on; empty where no turn is unsettled.
        receipts: the newest receipts, oldest first.
        more_receipts: whether older ones are in the journal.
        kept: the fold of its records that was kept last; None where none was, or where it is
            damaged, since the records tell it anew.
    """

    head: Head
    rows: tuple[Row, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    more_receipts: bool = False
    kept: Kept | None = None


@frozen
class Claim:
    """What `claim` hands to a writer: its generation, and the thread as it stands."""

    generation: int
    loaded: Loaded


@frozen
class HistoryPage:
    """Items of settled history, oldest first.

    Args:
        head: the head at the instant of the read, to tell whether a truncation or a deletion came
            between two reads.
        items: the page.
        before: the id to page back from; None where nothing older is there.
    """

    head: Head
    items: tuple[Item, ...]
    before: str | None


@frozen
class Summary:
    """A line of a listing. There is no method that would save one.

    Args:
        thread: the thread's id.
        head: where it stands.
    """

    thread: str
    head: Head


@frozen
class SummaryPage:
    """A page of a listing.

    Args:
        summaries: last activity first.
        after: pages on; None at the end.
    """

    summaries: tuple[Summary, ...]
    after: str | None


@frozen(kw_only=True)
class Statistics:
    """What a journal has done since it was opened, for metrics and for tests that count.

    Args:
        commits: transactions that wrote something.
        appends: steps that became durable; many share a commit.
        rows: events in those.
        refused: steps that were not written, such as those of a fenced writer.
        compacted: turns whose deltas were merged.
    """

    commits: int = 0
    appends: int = 0
    rows: int = 0
    refused: int = 0
    compacted: int = 0


class Journal(Protocol):
    """The store behind a runtime; the module's text has the rules common to all methods."""

    @property
    def first_epoch(self) -> int:
        """The epoch of a thread that was never there: drawn once when the journal was made."""
        ...

    async def claim(self, thread: str) -> Claim:
        """Become the thread's writer: every earlier generation is fenced from now on.

        Raises:
            JournalCorrupt: where the thread's own rows are damaged (I16).
            JournalUnavailable: where the store failed.

        A cancelled call may have fenced the writer before.
        """
        ...

    async def fork(self, copy: Copy) -> Position:
        """Begin a thread with the history of another one, wholly or not at all.

        What is copied is told anew (`core.telling`): it has the items of the source under their own
        ids, and offsets, an epoch and a floor of its own. The source keeps its head and its rows. A
        writer of the new thread, if there is one, is fenced. A long one is written in portions, and
        the calls of other threads go in between; what was broken off nobody can see, and `compact`
        takes it away.

        Returns:
            The head of the new thread.

        Raises:
            Rejected: `thread_not_found`; `item_not_found`; `bad_request` where the new thread is
                there by the time it is whole, or what is there is damaged; `too_large` above
                `limits.fork_items`.
            JournalFenced: the generation is not the source's.
            JournalCorrupt: the rows of the source are damaged (I16).
            JournalUnavailable: where the store failed.

        A cancelled call may have made the thread, wholly.
        """
        ...

    def release(self, thread: str, generation: int) -> None:
        """Give the claim back; a no-op where another writer has it. Never blocks, never fails."""

    async def append(self, append: Append) -> None:
        """Make the step durable; many threads' steps share one commit.

        Raises:
            JournalFenced: generation or expected position is not the journal's; nothing was
                written, and the other appends of the same commit are untouched.
            InternalError: the step breaks the journal's own rules: rows with a gap, a row larger
                than a frame, a head that does not fit them, a part of history settled twice.
            JournalCorrupt: the thread's own rows are damaged (I16).
            JournalUnavailable: where the store failed, whatever became of the step.

        A cancelled call may or may not have written the step; it is never half there.
        """

    async def append_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        """Make the steps of many threads durable, in one commit where nothing is wrong.

        Args:
            appends: at least one; of one thread at most one.

        Returns:
            For each what `append` would have raised, or None where it is durable.

        A cancelled call may have written each of the steps or not; none is half there.
        """
        ...

    async def load(self, thread: str) -> Loaded:
        """Read what `claim` reads, without becoming the writer.

        Raises as `claim`. Cancellation changes nothing, here and for every other read.
        """
        ...

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """Return the rows after a position: contiguous, at least one unless it is the head.

        Args:
            thread: the thread's id.
            after: where the reader stands.
            limit_bytes: stop before the row that would make the page larger; the first always fits.

        Raises:
            PositionUnrecoverable: `epoch` or `deleted` (another life), `ahead` (of the head),
                `truncated` (below the floor), `compacted` (inside a merged range).
            JournalCorrupt, JournalUnavailable: as `claim`.

        Cancellation changes nothing.
        """
        ...

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        """Return the newest items of settled history, in turn order.

        Args:
            thread: the thread's id; an absent one has an empty page.
            before: only items older than this item, or of parts at or below this place; None for
                the newest.
            limit: items, at least 1.
            limit_bytes: of their JSON, about; the newest always fits.

        Raises:
            Rejected: `item_not_found`, where `before` names no item of a thread that is there.
            JournalCorrupt, JournalUnavailable: as `claim`.

        Cancellation changes nothing.
        """
        ...

    async def settled(self, thread: str, owner: str) -> Settled | None:
        """Return the part of history that a turn or a record left (with its items), or None.

        Raises as `claim`. Cancellation changes nothing.
        """
        ...

    async def records(self, thread: str, after: int, limit_bytes: int) -> tuple[Row, ...]:
        """Return the records behind an offset, oldest first; nothing where there are no more.

        The cost goes by what is returned, however many turns lie between.

        Args:
            thread: the thread's id.
            after: the offset.
            limit_bytes: stop before the row that would make the page larger; the first always fits.

        Raises as `claim`. Cancellation changes nothing.
        """
        ...

    async def locate(self, thread: str, after: str | None) -> Cut:
        """Return what a truncation after item `after` would leave; None would clear.

        Raises:
            Rejected: `item_not_found`, where no such item is in the settled history of a turn.

        Cancellation changes nothing.
        """
        ...

    async def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        """Return the receipt that was given for a key, or None.

        Raises as `claim`. Cancellation changes nothing.
        """
        ...

    async def summaries(self, after: str | None, limit: int) -> SummaryPage:
        """Return a page of the threads that are there, last activity first.

        Raises:
            Rejected: `bad_request`, where `after` is not what an earlier page gave.
            JournalUnavailable: where the store failed.

        Cancellation changes nothing.
        """
        ...

    async def unsettled(self) -> tuple[str, ...]:
        """Return the threads with a live or queued turn, at a cost that goes by their number.

        Raises:
            JournalUnavailable: where the store failed.

        Cancellation changes nothing.
        """
        ...

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        """Merge the deltas of settled turns into range events, and drop what was truncated.

        Offsets stay what they are; only cursors inside a merged range are lost (I3). What was
        truncated goes first, then what ended first.

        Args:
            ended_before: only turns that ended before this, Unix seconds.
            keys_before: receipts given before this, whose turns are settled, go as well.
            limit: how many turns at most.

        Returns:
            How many turns were compacted; fewer than `limit` means that nothing is left to do.

        Raises:
            JournalUnavailable: where the store failed.

        A cancelled call has compacted some of the turns, each of them wholly or not at all.
        """
        ...

    def statistics(self) -> Statistics:
        """Return the counts so far."""
        ...

    async def aclose(self) -> None:
        """Finish what was appended, and close. Every later call raises `JournalUnavailable`.

        Closing twice is closing once. Cancellation is delivered once it is closed.
        """
