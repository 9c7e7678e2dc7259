"""A journal's file, opened: the lock, the connection, and the two halves that work on it.

All of it blocks; the shell calls it through its executor.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from attrs import define, field

from ...errors import HoldfastError, JournalCorrupt, JournalUnavailable
from ...limits import Limits
from . import schema
from .fork import Forking, sweep
from .lock import FileLock
from .reader import Reader
from .writer import Outcomes, Writer

if TYPE_CHECKING:
    from ...core.position import Position
    from ..contract import Append, Copy, Loaded

log = logging.getLogger("holdfast.journal")

_NEWEST = "SELECT id FROM thread WHERE active_at IS NOT NULL ORDER BY active_at DESC, id LIMIT ?"

# A page that an append touches, and how many it does: in its thread's events and head, mostly.
_PAGE_BYTES = 4096
_PAGES_TOUCHED = 3


@define
class OpenFile:
    """An open file. No two calls of it, its reader or its writer may overlap.

    Args:
        opening: how often the file was opened, this time included.
    """

    path: Path
    limits: Limits
    lock: FileLock
    db: sqlite3.Connection
    reader: Reader
    writer: Writer
    opening: int
    _since_checkpoint: int = 0
    _forks: set[Forking] = field(factory=set)

    def write(self, appends: Sequence[Append]) -> Outcomes:
        """Commit appends, after a checkpoint where one is due; see `Writer.commit`."""
        self._checkpoint_when_due()
        bodies = sum([len(row.body) for append in appends for row in append.rows])
        self._since_checkpoint += bodies + _PAGES_TOUCHED * _PAGE_BYTES * len(appends)
        return self.writer.commit(appends)

    def load(self, thread: str) -> Loaded:
        """Read a thread."""
        return self.reader.load(self.reader.find(thread))

    def claim(self, thread: str) -> Loaded:
        """Read a thread, and let the writer follow where it stands from now on."""
        found = self.reader.find(thread)
        loaded = self.reader.load(found)
        self.writer.claim(thread, found.number, found.head)
        return loaded

    def begin_fork(self, copy: Copy) -> Forking:
        """Return a fork that has written nothing yet; `end_fork` has to follow, come what may."""
        forking = Forking(self.reader, self.writer, copy)
        self._forks.add(forking)
        return forking

    def fork_on(self, forking: Forking) -> Position | None:
        """Write a portion of a fork; see `Forking.step`."""
        self._checkpoint_when_due()
        made, size = forking.step()
        self._since_checkpoint += size
        return made

    def end_fork(self, forking: Forking) -> None:
        """Leave what it has written, where it is not whole, to the next `sweep`."""
        self._forks.discard(forking)

    def sweep(self) -> bool:
        """Delete some of what broken-off forks have left; True where more may be left."""
        return sweep(self.reader, [forking.number for forking in self._forks])

    def _checkpoint_when_due(self) -> None:
        if self._since_checkpoint > self.limits.checkpoint_bytes:
            self.checkpoint()

    def checkpoint(self) -> None:
        """Move what was committed from the write-ahead log into the file.

        Raises:
            sqlite3.Error: where a write or a sync failed; the file must not be used on.
        """
        self._since_checkpoint = 0
        busy, frames, moved = self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if busy or moved < frames:
            # Harmless, but the log grows for as long as somebody reads.
            log.warning("checkpoint moved %d of %d pages: another process reads", moved, frames)

    def close(self, *, failed: bool) -> None:
        """Close the file, and let others have it. What was committed is safe whatever happens here.

        Args:
            failed: an I/O error was met. The next to open it looks twice, and what the write-ahead
                log holds is not touched any more.
        """
        try:
            if failed:
                self._leave_log_alone()
            else:
                self.checkpoint()
                self.lock.mark_sound()
            self.db.close()
        except sqlite3.Error as exc:
            self.lock.mark_failed()
            log.error("%s could not be closed in good order", self.path, exc_info=exc)
        finally:
            self.lock.release()

    def _leave_log_alone(self) -> None:
        # Before 3.12 there is no way to say so, and closing moves once more what was committed.
        if sys.version_info >= (3, 12):
            self.db.setconfig(sqlite3.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, True)


def open_file(
    path: Path, durability: Literal["full", "relaxed"], limits: Limits, first_epoch: int | None
) -> OpenFile:
    """Lock and open a journal's file, making it where there is none.

    Raises:
        JournalUnavailable: see `open_sqlite_journal`.
    """
    path = path.resolve()  # one file has one name, and one lock
    try:
        lock = FileLock(path)
    except OSError as exc:
        raise JournalUnavailable(f"{path} cannot be opened: {exc.strerror}") from exc
    try:
        return _open_locked(path, lock, durability, limits, first_epoch)
    except (sqlite3.Error, OSError, JournalCorrupt, UnicodeDecodeError) as exc:
        lock.release()
        raise JournalUnavailable(f"{path} cannot be opened: {exc}") from exc
    except BaseException:
        lock.release()
        raise


def _open_locked(
    path: Path,
    lock: FileLock,
    durability: Literal["full", "relaxed"],
    limits: Limits,
    first_epoch: int | None,
) -> OpenFile:
    if not path.exists() or path.stat().st_size == 0:
        schema.create(path, first_epoch)
    schema.check_file(path)
    db = schema.connect(path, durability)
    try:
        schema.upgrade(db)
        schema.check_tables(db)
        reader = Reader(db, schema.read_meta(db, "first_epoch"), limits)
        if lock.was_failed:
            _look_twice(reader, path)
        opening = schema.read_meta(db, "openings") + 1
        schema.write_meta(db, "openings", opening)
        return OpenFile(path, limits, lock, db, reader, Writer(reader), opening)
    except BaseException:
        db.close()
        raise


def _look_twice(reader: Reader, path: Path) -> None:
    """After an I/O error, read the threads that were written last, at a cost that is bounded.

    A damaged one is set aside by whoever asks for it; here it is only named.
    """
    newest = reader.db.execute(_NEWEST, (reader.limits.recheck_threads,)).fetchall()
    damaged = 0
    for thread in {*(thread for (thread,) in newest), *reader.unsettled()}:
        try:
            reader.load(reader.find(thread))
        except HoldfastError as exc:
            damaged += 1
            log.error("thread %s was found damaged after an I/O error: %s", thread, exc)
    log.warning("%s met an I/O error when it was last open; %d damaged threads", path, damaged)
