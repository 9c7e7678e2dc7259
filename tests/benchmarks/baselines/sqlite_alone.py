"""SQLite with nothing above it: one table, one connection, write-ahead log, synchronous=FULL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..harness.figures import quantile

_ROW = (
    b'{"offset":1234,"type":"turn.delta","at":1700000000.123,"turn":"0123456789abcdef",'
    b'"item":"0123456789abcdef.1","text":"tokens! "}'
)


@contextmanager
def _database(folder: Path, synchronous: str) -> Iterator[sqlite3.Connection]:
    path = folder / "alone.db"
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute(f"PRAGMA synchronous={synchronous}")
        db.execute("CREATE TABLE event (spot INTEGER PRIMARY KEY, body BLOB NOT NULL)")
        yield db


def commit_seconds(folder: Path, commits: int, synchronous: str = "FULL") -> float:
    """Return the median of the seconds that a commit of one row takes."""
    taken = []
    with _database(folder, synchronous) as db:
        for n in range(commits):
            began = time.perf_counter()
            db.execute("BEGIN IMMEDIATE")
            db.execute("INSERT INTO event VALUES (?, ?)", (n, _ROW))
            db.execute("COMMIT")
            taken.append(time.perf_counter() - began)
    return quantile(taken, 0.5)


def rows_per_second(
    folder: Path, batch: int, seconds: float, synchronous: str = "FULL", row: bytes = _ROW
) -> float:
    """Return how many rows a second it takes in commits of `batch` rows."""
    began, done = time.perf_counter(), 0
    with _database(folder, synchronous) as db:
        while (elapsed := time.perf_counter() - began) < seconds:
            rows = [(done + n, row) for n in range(batch)]
            db.execute("BEGIN IMMEDIATE")
            db.executemany("INSERT INTO event VALUES (?, ?)", rows)
            db.execute("COMMIT")
            done += batch
    return done / elapsed
