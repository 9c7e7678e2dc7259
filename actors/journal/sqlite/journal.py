"""The journal in an SQLite file: the shell that brings reader, writer and callers together."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, Literal, TypeVar

import trio
from attrs import evolve

from ...core.event_codec import Row
from ...core.position import Position
from ...errors import HoldfastError, JournalCorrupt, JournalFenced, JournalUnavailable
from ...limits import DEFAULT_LIMITS, Limits
from ...ports import Executor, WorkerThread
from ..contract import (
    Append,
    Claim,
    HistoryPage,
    Loaded,
    Receipt,
    Settled,
    Statistics,
    SummaryPage,
)
from .compact import Compactor, forget_keys, give_back
from .group_commit import GroupCommit
from .opened import Opened, open_file
from .statements import is_corrupt

_log = logging.getLogger(__name__)

T = TypeVar("T")

CLOSED: Final = "the journal is closed"


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
    """
    executor = executor or WorkerThread()
    opened = await executor.run(
        partial(open_file, Path(path), durability, limits, first_epoch),
    )
    return SqliteJournal(opened, limits, executor)


class SqliteJournal:
    """A `Journal` in one SQLite file; made by `open_sqlite_journal`.

    One connection does everything, one call at a time. Appends that wait for it share a commit.
    The first I/O error ends the use of the file: every later call raises `JournalUnavailable`.
    """

    def __init__(self, opened: Opened, limits: Limits, executor: Executor) -> None:
        self.first_epoch = opened.reader.first_epoch
        self._opened = opened
        self._limits = limits
        self._executor = executor
        self._lock = trio.Lock()
        self._commits = GroupCommit(self._commit, self._lock, limits.commit_appends)
        self._generation = 0
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

    async def _commit(self, appends: Sequence[Append]) -> list[HoldfastError | None]:
        """Commit a batch; the lock is held."""
        if self._unavailable is not None:
            return [JournalUnavailable(self._unavailable) for _ in appends]
        outcomes: dict[int, HoldfastError | None] = {}
        current = {i: a for i, a in enumerate(appends) if self._is_current(a)}
        try:
            written = await self._executor.run(partial(self._write, list(current.values())))
        except sqlite3.Error as exc:
            return [self._failure(exc) for _ in appends]
        except BaseException as exc:
            self._failure(exc)  # nobody knows what became of the transaction
            raise
        outcomes = dict(zip(current, written, strict=True))
        stale = "another writer has the thread"
        results = [outcomes.get(i, JournalFenced(stale)) for i in range(len(appends))]
        self._count(appends, results)
        return results

    def _is_current(self, append: Append) -> bool:
        return self._claims.get(append.thread) == append.generation

    def _write(self, appends: Sequence[Append]) -> list[HoldfastError | None]:
        """Write a batch; in the executor."""
        if self._since_checkpoint > self._limits.checkpoint_bytes:
            self._since_checkpoint = 0
            self._opened.checkpoint()
        return self._opened.writer.commit(appends) if appends else []
