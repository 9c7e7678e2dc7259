"""`verify`: whether what is in a journal's file can be right, and where it cannot be.

Nothing is changed. Beside SQLite's own check of its pages, every body is held against its seal,
and what is kept beside the events against what the events say.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import JournalCorrupt, JournalUnavailable
from ...limits import DEFAULT_LIMITS
from . import sealing
from .check_thread import Damage, ThreadCheck
from .fork import is_staged
from .lock import FileLock
from .reader import Reader
from .schema import SCHEMA_VERSION, SPOTTED, check_file, check_tables, lenient_text, read_meta
from .spots import OFFSET_BITS
from .statements import Sealed
from .stored import LAST_EVENT, check_progress, head_of

if TYPE_CHECKING:
    import os


__all__ = ["Damage", "verify"]

_FINDINGS = 100
# SQLite's message about damage may quote it, and then be no text.
_UNREADABLE = (JournalCorrupt, sqlite3.DatabaseError, UnicodeDecodeError)


def verify(
    path: str | os.PathLike[str], *, progress: Callable[[int, int], None] | None = None
) -> Iterator[Damage]:
    """Read all of a journal's file, and yield what is damaged. It blocks, and may take long.

    Args:
        path: the file; nothing else may have it open.
        progress: called after each thread with the number of threads done, and of all.

    Raises:
        JournalUnavailable: where the file is not there, is in use, or is no journal.
    """
    file = Path(path)
    if not file.exists():
        raise JournalUnavailable(f"{file} is not there")
    lock = FileLock(file)
    try:
        if check_file(file) < SCHEMA_VERSION:
            raise JournalUnavailable(f"{file} is of an older Holdfast: open it once to upgrade it")
        db = sqlite3.connect(_read_only(file), uri=True)
        db.text_factory = lenient_text
        try:
            yield from _verify_file(db, progress or (lambda done, of: None))
        finally:
            db.close()
    finally:
        lock.release()


def _read_only(file: Path) -> str:
    """Return the address that opens a file without leaving anything beside it."""
    log = Path(f"{file.resolve()}-wal")
    nothing_ahead = not log.exists() or log.stat().st_size == 0
    return f"{file.resolve().as_uri()}?mode=ro{'&immutable=1' if nothing_ahead else ''}"


def _verify_file(db: sqlite3.Connection, progress: Callable[[int, int], None]) -> Iterator[Damage]:
    yield from _unless_unreadable("the file's pages", _verify_pages(db))
    try:
        check_tables(db)
    except _UNREADABLE as exc:
        yield Damage(None, "the file's tables", str(exc))
        return  # nothing that is read from them could be trusted
    first_epoch = 1
    try:
        first_epoch = read_meta(db, "first_epoch")
        read_meta(db, "openings")
    except _UNREADABLE as exc:
        yield Damage(None, "the file's own numbers", str(exc))
    reader = Reader(db, first_epoch, DEFAULT_LIMITS)
    yield from _unless_unreadable("the list of threads", _verify_threads(reader, progress))
    yield from _unless_unreadable("rows without a thread", _orphans(db))


def _unless_unreadable(
    where: str, findings: Iterator[Damage], thread: str | None = None
) -> Iterator[Damage]:
    """Pass on what is found, until SQLite can read no further."""
    try:
        yield from findings
    except _UNREADABLE as exc:
        yield Damage(thread, where, f"cannot be read on: {exc}")


def _verify_pages(db: sqlite3.Connection) -> Iterator[Damage]:
    for (finding,) in db.execute(f"PRAGMA integrity_check({_FINDINGS})"):
        if finding != "ok":
            yield Damage(None, "the file's pages", finding)


def _verify_threads(reader: Reader, progress: Callable[[int, int], None]) -> Iterator[Damage]:
    (of,) = reader.db.execute("SELECT count(*) FROM thread").fetchone()
    done, number = 0, 0
    columns = f"number, id, active_at, open, {LAST_EVENT}, crc, body"
    sql = f"SELECT {columns} FROM thread WHERE number > ? ORDER BY number LIMIT 1"
    while row := reader.db.execute(sql, (number,)).fetchone():
        check_progress(row[0] > number)
        number, thread, active_at, is_open, last, crc, body = row
        head, left = None, False
        try:
            name, head = head_of(Sealed(number, last, crc, body))
            left = is_staged(name)
            if (thread, active_at, bool(is_open)) != (name, *sealing.listing(head)):
                yield Damage(thread, "head", "the listing does not agree with it")
        except JournalCorrupt as exc:
            yield Damage(thread, "head", str(exc))
        if not left:  # of a fork that was broken off: the next compaction takes it away
            findings = ThreadCheck(reader, number, thread, head).run()
            yield from _unless_unreadable("its pages", findings, thread)
        done += 1
        progress(done, of)


def _orphans(db: sqlite3.Connection) -> Iterator[Damage]:
    for table in SPOTTED:
        strays = f"spot >> {OFFSET_BITS} NOT IN (SELECT number FROM thread)"
        (count,) = db.execute(f"SELECT count(*) FROM {table} WHERE {strays}").fetchone()
        if count:
            yield Damage(None, table, f"{count} rows belong to no thread")
    sql = "SELECT count(*) FROM items WHERE spot NOT IN (SELECT spot FROM part)"
    (count,) = db.execute(sql).fetchone()
    if count:
        yield Damage(None, "items", f"{count} rows belong to no part of history")
