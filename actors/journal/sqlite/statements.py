"""Statements that do all their work in one step.

Each step of a statement lets go of the interpreter's lock, and while the event loop is busy it
takes up to 5 ms to get it back: a batch of two hundred single-row statements would take a second.
So many rows are written by one statement, and read as one row that is taken apart here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain
from typing import Any, Final

from ...core.value import value
from .sealing import damaged, seal

# The casts are for damaged rows, which may hold values of any sort.
_GATHER: Final = """
    SELECT group_concat(k), group_concat(coalesce(CAST(x AS INTEGER), 0)),
    group_concat(coalesce(CAST(crc AS INTEGER), 0)),
    group_concat(length(coalesce(CAST(body AS BLOB), x''))),
    CAST(group_concat(coalesce(CAST(body AS BLOB), x''), '') AS BLOB)"""

# Rows of one INSERT; powers of two below it make up the rest, so that few statements are prepared.
_ROWS_AT_ONCE: Final = 128


@cache
def _values(insert: str, columns: int, rows: int, conflict: str) -> str:
    row = f"({','.join('?' * columns)})"
    # By default SQLite keeps a copy of every page that a statement of many rows touches, to undo
    # just that statement, which takes as long again. Here a failure undoes more than that anyway.
    return f"INSERT OR FAIL INTO {insert} VALUES {','.join([row] * rows)} {conflict}"


def insert_many(
    db: sqlite3.Connection, table: str, rows: Sequence[tuple[Any, ...]], conflict: str = ""
) -> None:
    """Insert rows in as few steps as there are bits in their number.

    Args:
        db: the connection.
        table: the table, with its columns where not all are given.
        rows: what to insert.
        conflict: the ON CONFLICT clause, where there is one.
    """
    done, at_once = 0, _ROWS_AT_ONCE
    while done < len(rows):
        while at_once > len(rows) - done:
            at_once //= 2
        some = rows[done : done + at_once]
        sql = _values(table, len(rows[0]), at_once, conflict)
        db.execute(sql, list(chain.from_iterable(some)))
        done += at_once


@value
class Sealed:
    """A stored row: its key, one more number where the query names one, and the body."""

    key: int
    extra: int
    crc: int
    body: bytes

    def checked(self, number: int, what: str, extra: int = 0) -> bytes:
        """Return the body.

        Args:
            number: the thread's number.
            what: what it is, for the error.
            extra: what else was sealed with it.

        Raises:
            JournalCorrupt: where it is not what was sealed for that thread.
        """
        # A damaged row may hold values of any sort.
        sound = isinstance(self.body, bytes) and seal(number, self.body, extra) == self.crc
        if not sound:
            raise damaged(what)
        return self.body


def gather(db: sqlite3.Connection, query: str, args: Sequence[Any]) -> list[Sealed]:
    """Run a query that yields `(key, extra, crc, body)` rows, and return them in its order.

    The query has to be ordered and to have a LIMIT: SQLite keeps the order of such a subquery.
    """
    row = db.execute(f"{_GATHER} FROM ({query})", args).fetchone()
    keys, extras, crcs, lengths, bodies = row
    if keys is None:
        return []
    numbers = zip(*(map(int, text.split(",")) for text in (keys, extras, crcs)), strict=True)
    each = zip(numbers, _split(bodies, lengths), strict=True)
    return [Sealed(key, extra, crc, body) for (key, extra, crc), body in each]


def _split(bodies: bytes, lengths: str) -> Iterator[bytes]:
    start = 0
    for length in map(int, lengths.split(",")):
        yield bodies[start : start + length]
        start += length


def is_corrupt(exc: Exception) -> bool:
    """Say whether SQLite met damage in the pages that it needed, as far as it can tell."""
    # A damaged length may also look like a value that is too large.
    code = getattr(exc, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG)


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block writes, or nothing of it where anything is raised."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # After an I/O error SQLite may have rolled back by itself.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
