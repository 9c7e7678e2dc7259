"""The journal in an SQLite file: the shell that brings reader, writer and callers together."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeVar

import trio
from attrs import evolve

from ...errors import HoldfastError, JournalCorrupt, JournalFenced, JournalUnavailable
from ...limits import DEFAULT_LIMITS, Limits
from ...ports import Executor, WorkerThread
from ..contract import (
    Append,
    Claim,
    Copy,
    Cut,
    HistoryPage,
    Loaded,
    Receipt,
    Settled,
    Statistics,
    SummaryPage,
)
from .compact import Compactor, forget_keys, give_back
from .group_commit import GroupCommit
from .opened import OpenFile, open_file
from .statements import is_corrupt

if TYPE_CHECKING:
    import os
    from types import TracebackType

    from ...core.event_codec import Row
    from ...core.position import Position
    from .fork import Forking

log = logging.getLogger("holdfast.journal")

T = TypeVar("T")

CLOSED: Final = "the journal is closed"
FAILED: Final = "the journal failed"


async def open_sqlite_journal(
    path: str | os.PathLike[str],
    *,
    durability: Literal["full", "relaxed"] = "full",
    limits: Limits = DEFAULT_LIMITS,
    executor: Executor | None = None,
    first_epoch: int | None = None,
) -> SqliteJournal:
    """Open the journal in a file, which is made where it is not there or empty.

    The cost does not go by what is in it. Use it as
    `async with await open_sqlite_journal(path) as journal`, or see to `aclose` yourself.

    Args:
        path: the file. `<path>-wal`, `<path>-shm` and `<path>.lock` lie beside it.
        durability: `full` syncs every commit. `relaxed` does not: a program that is killed loses
            nothing, but a machine that loses power may lose the last commits that were
            acknowledged, and with them what people saw (I4). The file stays sound either way.
        limits: the bounds in force.
        executor: where the blocking calls run; by default a worker thread.
        first_epoch: the epoch of a thread that was never there, where the file is made now; by
            default drawn at random.

    Raises:
        JournalUnavailable: where the file cannot be opened, is in use, is no journal, or one of a
            newer version; the text says which. Nothing was changed.

    Cancellation is not delivered while the file is being opened.
    """
    executor = executor or WorkerThread()
    call = partial(open_file, Path(path), durability, limits, first_epoch)
    opened: OpenFile | None = None
    with trio.CancelScope(shield=True):  # what was opened must not get lost on its way back
        opened = await executor.run(call)
    assert opened is not None  # a shield that nobody cancels swallows nothing
    return SqliteJournal(opened, limits, executor)


class SqliteJournal:
    """A `Journal` in one SQLite file; made by `open_sqlite_journal`.

    One connection does everything, one call at a time. Appends that wait for it share a commit.
    The first I/O error ends the use of the file: every later call raises `JournalUnavailable`.
    """

    def __init__(self, opened: OpenFile, limits: Limits, executor: Executor) -> None:
        self.first_epoch = opened.reader.first_epoch
        self._opened = opened
        self._limits = limits
        self._executor = executor
        self._lock = trio.Lock()
        self._commits = GroupCommit(self._commit, self._lock, limits.commit_appends)
        # Writers of an earlier opening stay fenced.
        self._generation = opened.opening << 32
        self._claims: dict[str, int] = {}
        self._released: set[str] = set()
        self._unavailable: str | None = None
        self._closed = False
        self._statistics = Statistics()

    async def __aenter__(self) -> SqliteJournal:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def statistics(self) -> Statistics:
        """Return the counts since the journal was opened."""
        return self._statistics

    # Writing.

    async def claim(self, thread: str) -> Claim:
        """Become the writer; see `Journal.claim`. When cancelled, no other writer was fenced."""
        async with self._lock:
            loaded = await self._blocking(partial(self._opened.claim, thread))
            self._generation += 1
            self._claims[thread] = self._generation
        return Claim(self._generation, loaded)

    async def fork(self, copy: Copy) -> Position:
        """Begin a thread with another's history; see `Journal.fork`. Appends go in between."""
        forking = self._opened.begin_fork(copy)
        try:
            while (made := await self._fork_on(forking)) is None:
                pass  # what was waiting for the lock has its turn
            return made
        finally:
            self._opened.end_fork(forking)

    async def _fork_on(self, forking: Forking) -> Position | None:
        self._refuse_when_closed()
        copy = forking.copy
        async with self._lock:
            if self._claims.get(copy.thread) != copy.generation:
                raise _fenced()
            made = await self._blocking(partial(self._opened.fork_on, forking))
            if made is not None:
                self._claims.pop(copy.to, None)
                self._released.add(copy.to)
            return made

    def release(self, thread: str, generation: int) -> None:
        """Give a claim back; see `Journal.release`."""
        if self._claims.get(thread) == generation:
            del self._claims[thread]
            self._released.add(thread)

    async def append(self, append: Append) -> None:
        """Make a step durable; see `Journal.append`.

        When cancelled, it may have been written; it is not where it was still waiting its turn.
        """
        self._refuse_when_closed()
        await self._commits.submit(append)

    async def append_many(self, appends: Sequence[Append]) -> Sequence[Exception | None]:
        """Make many durable; see `Journal.append_many`. A commit that began is not cancelled."""
        await _acquire(self._lock)
        try:
            outcomes: Sequence[Exception | None] = ()
            with trio.CancelScope(shield=True):
                outcomes = await self._commit(appends)
            return outcomes
        finally:
            self._lock.release()

    async def _commit(self, appends: Sequence[Append]) -> Sequence[HoldfastError | None]:
        """Commit a batch; the lock is held, and nothing cancels it."""
        if self._unavailable is not None:
            return [JournalUnavailable(self._unavailable) for _ in appends]
        fenced = [self._claims.get(append.thread) != append.generation for append in appends]
        current = [a for a, is_out in zip(appends, fenced, strict=True) if not is_out]
        try:
            wrongs = iter(await self._write(current))
        except Exception as exc:  # whatever it was: what became of the transaction is not known
            self._fail(exc)
            return [JournalUnavailable(FAILED) for _ in appends]
        except BaseException as exc:
            self._fail(exc)
            raise
        outcomes = [_fenced() if is_out else next(wrongs) for is_out in fenced]
        self._count_appends(appends, outcomes)
        return outcomes

    async def _write(self, appends: Sequence[Append]) -> Sequence[HoldfastError | None]:
        # The difference of a set and a dict's keys would look at every claim there is.
        for thread in self._released:
            if thread not in self._claims:
                self._opened.writer.release(thread)
        self._released.clear()
        return await self._executor.run(partial(self._opened.write, appends)) if appends else []

    def _count_appends(
        self, appends: Sequence[Append], outcomes: Sequence[HoldfastError | None]
    ) -> None:
        rows = [len(a.rows) for a, wrong in zip(appends, outcomes, strict=True) if wrong is None]
        was = self._statistics
        self._statistics = Statistics(
            commits=was.commits + bool(rows),
            appends=was.appends + len(rows),
            rows=was.rows + sum(rows),
            refused=was.refused + len(appends) - len(rows),
            compacted=was.compacted,
        )

    # Reading.

    async def load(self, thread: str) -> Loaded:
        """Read what a writer needs; see `Journal.load`."""
        return await self._run(partial(self._opened.load, thread))

    async def read(self, thread: str, after: Position, limit_bytes: int) -> tuple[Row, ...]:
        """Return rows after a position; see `Journal.read`."""
        return await self._run(partial(self._opened.reader.read, thread, after, limit_bytes))

    async def history(
        self, thread: str, before: str | int | None, limit: int, limit_bytes: int
    ) -> HistoryPage:
        """Return the newest items; see `Journal.history`."""
        reader = self._opened.reader
        return await self._run(partial(reader.history, thread, before, limit, limit_bytes))

    async def settled(self, thread: str, owner: str) -> Settled | None:
        """Return one part of history; see `Journal.settled`."""
        return await self._run(partial(self._opened.reader.settled, thread, owner))

    async def records(self, thread: str, after: int, limit_bytes: int) -> tuple[Row, ...]:
        """Return the records behind an offset; see `Journal.records`."""
        return await self._run(partial(self._opened.reader.records, thread, after, limit_bytes))

    async def locate(self, thread: str, after: str | None) -> Cut:
        """Return what a truncation would leave; see `Journal.locate`."""
        return await self._run(partial(self._opened.reader.locate, thread, after))

    async def receipt(self, thread: str, principal: str, key: str) -> Receipt | None:
        """Return the receipt of a key; see `Journal.receipt`."""
        return await self._run(partial(self._opened.reader.receipt, thread, principal, key))

    async def summaries(self, after: str | None, limit: int) -> SummaryPage:
        """List the threads, last activity first; see `Journal.summaries`."""
        return await self._run(partial(self._opened.reader.summaries, after, limit))

    async def unsettled(self) -> tuple[str, ...]:
        """Return the threads with unsettled turns, by id; see `Journal.unsettled`."""
        return await self._run(self._opened.reader.unsettled)

    # Compacting.

    async def compact(self, ended_before: float, keys_before: float, limit: int) -> int:
        """Merge and drop; see `Journal.compact`. Appends go in between.

        When cancelled, some turns may have been compacted, each of them wholly or to be gone on
        with the next time.
        """
        while await self._run(self._opened.sweep):
            pass
        compactor = Compactor(self._opened.reader, ended_before)
        finished = 0
        while finished < limit and not compactor.exhausted:
            finished += await self._run(partial(compactor.step, limit - finished))
        while await self._run(partial(forget_keys, self._opened.reader, keys_before)):
            pass
        while compactor.exhausted and await self._run(partial(give_back, self._opened.db)):
            pass
        await self._run(self._opened.checkpoint)
        compacted = self._statistics.compacted + finished
        self._statistics = evolve(self._statistics, compacted=compacted)
        return finished

    # What all share.

    async def aclose(self) -> None:
        """Finish what was appended, and close; see `Journal.aclose`.

        A cancellation does not keep it from that.
        """
        if self._closed:
            return await trio.lowlevel.checkpoint()
        self._closed = True
        with trio.CancelScope(shield=True):
            await self._commits.finish()
            async with self._lock:
                failed, self._unavailable = self._unavailable is not None, CLOSED
                await self._executor.run(partial(self._opened.close, failed=failed))

    async def _run(self, call: Callable[[], T]) -> T:
        """Run a call that leaves the appends alone, when the connection is free."""
        self._refuse_when_closed()
        async with self._lock:
            return await self._blocking(call)

    async def _blocking(self, call: Callable[[], T]) -> T:
        if self._unavailable is not None:
            raise JournalUnavailable(self._unavailable)
        try:
            return await self._executor.run(call)
        except sqlite3.Error as exc:
            if is_corrupt(exc):
                # Damaged pages hold some threads' rows, and the others are not to suffer.
                raise JournalCorrupt("a part of the file is damaged") from exc
            self._fail(exc)
            raise JournalUnavailable(FAILED) from exc

    def _refuse_when_closed(self) -> None:
        if self._closed:
            raise JournalUnavailable(CLOSED)

    def _fail(self, error: BaseException) -> None:
        """Use the file no more: what an I/O error leaves behind is not known (fail-stop)."""
        self._unavailable = FAILED
        self._opened.lock.mark_failed()
        log.error("the journal failed and has to be opened anew", exc_info=error)


def _fenced() -> JournalFenced:
    return JournalFenced("another writer has the thread")


async def _acquire(lock: trio.Lock) -> None:
    """Acquire a lock; one that is free costs no turn of the loop."""
    await trio.lowlevel.checkpoint_if_cancelled()
    try:
        lock.acquire_nowait()
    except trio.WouldBlock:
        await lock.acquire()
