"""The file: its tables, how it is made, and which files are refused."""

from __future__ import annotations

import os
import secrets
import sqlite3
import struct
from pathlib import Path
from typing import Final, Literal

from ...errors import JournalUnavailable
from .sealing import damaged, seal

APPLICATION_ID: Final = 0x484F4C44  # "HOLD"
SCHEMA_VERSION: Final = 3

# `crc` is what `sealing.seal` makes of the row. `active_at` is NULL where the thread is absent.
# `items` holds what a turn folds to until its events are compacted; `dropped` what a truncation
# took out of `part`, until compaction takes the events as well; `fold` a fold of the records, under
# the thread's first spot. While a turn is open, the head's offset may lag behind the events (since
# version 3). A fork's receipt has the offset of its source's head, as others may.
_SINCE_1: Final = """
CREATE TABLE meta (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE thread (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, active_at REAL, open INTEGER NOT NULL,
    crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX thread_listed ON thread (active_at DESC, id) WHERE active_at IS NOT NULL;
CREATE INDEX thread_open ON thread (id) WHERE open;
CREATE TABLE event (
    spot INTEGER PRIMARY KEY, last INTEGER NOT NULL, packed INTEGER NOT NULL,
    crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE part (
    spot INTEGER PRIMARY KEY, thread INTEGER NOT NULL, owner TEXT NOT NULL, ended_at REAL NOT NULL,
    is_turn INTEGER NOT NULL, shown INTEGER NOT NULL, due INTEGER NOT NULL,
    crc INTEGER NOT NULL, body BLOB NOT NULL, UNIQUE (thread, owner));
CREATE INDEX part_due ON part (ended_at, spot) WHERE due;
CREATE TABLE items (
    spot INTEGER PRIMARY KEY, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE dropped (
    spot INTEGER PRIMARY KEY, ended_at REAL NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX dropped_due ON dropped (ended_at, spot);
"""
_SINCE_2: Final = """
CREATE INDEX part_record ON part (spot) WHERE NOT is_turn;
CREATE TABLE receipt (
    thread INTEGER NOT NULL, principal TEXT NOT NULL, key TEXT NOT NULL, turn TEXT,
    given_at REAL NOT NULL, spot INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (thread, principal, key)) WITHOUT ROWID;
CREATE INDEX receipt_place ON receipt (spot);
CREATE INDEX receipt_age ON receipt (given_at);
CREATE TABLE fold (
    spot INTEGER PRIMARY KEY, last INTEGER NOT NULL, crc INTEGER NOT NULL, body BLOB NOT NULL);
"""
_TABLES: Final = _SINCE_1 + _SINCE_2
# What makes a file of a version one of the next.
_UPGRADES: Final = {
    1: f"""
DROP INDEX receipt_age;
ALTER TABLE receipt RENAME TO old_receipt;
{_SINCE_2}
INSERT INTO receipt SELECT thread, principal, key, turn, given_at, spot, crc, body FROM old_receipt;
DROP TABLE old_receipt;
""",
    # The tables are the same, but a version 2 would take the events behind a head for damage.
    2: "",
}
# The tables whose keys are spots.
SPOTTED: Final = ("event", "part", "items", "dropped", "receipt", "fold")

_MAGIC: Final = b"SQLite format 3\0"
# A copy that `VACUUM INTO` made has the other journal mode until it is opened.
_FORMAT_VERSIONS, _KNOWN_FORMATS = slice(18, 20), (b"\1\1", b"\2\2")
_USER_VERSION, _APPLICATION_ID = slice(60, 64), slice(68, 72)


def create(path: Path, first_epoch: int | None) -> None:
    """Make an empty journal. It gets its name once it is whole, so no half-made one is ever met.

    Args:
        path: where.
        first_epoch: of threads that were never there; None draws one, so that the cursors of a
            file that was replaced by a new one mean nothing in it.

    Raises:
        JournalUnavailable: where remains of another file of that name lie beside it.
    """
    if Path(f"{path}-wal").exists():
        raise JournalUnavailable(
            f"{path} is missing or empty, but {path}-wal is there and may hold its data: "
            "put the file back, or move the other one away"
        )
    epoch = first_epoch or secrets.randbelow(2**31 - 1) + 1
    unfinished = Path(f"{path}.new")
    unfinished.unlink(missing_ok=True)
    db = sqlite3.connect(unfinished, isolation_level=None)
    try:
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        db.executescript(f"BEGIN; {_TABLES}")
        write_meta(db, "first_epoch", epoch)
        write_meta(db, "openings", 0)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    finally:
        db.close()
    unfinished.rename(path)
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def upgrade(db: sqlite3.Connection) -> None:
    """Make a file of an earlier version one of this version, wholly or not at all."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    while version in _UPGRADES:
        set_version = f"PRAGMA user_version={version + 1}"
        db.executescript(f"BEGIN IMMEDIATE; {_UPGRADES[version]} {set_version}; COMMIT")
        version += 1


def check_file(path: Path) -> int:
    """Refuse a file that this version cannot work with, by its first bytes, changing nothing.

    Returns:
        The version that it was written by.

    Raises:
        JournalUnavailable: where it is no journal, or one of a newer version.
    """
    with path.open("rb") as file:
        header = file.read(100)
    if not header.startswith(_MAGIC) or _number(header[_APPLICATION_ID]) != APPLICATION_ID:
        raise JournalUnavailable(f"{path} is not a Holdfast journal")
    if header[_FORMAT_VERSIONS] not in _KNOWN_FORMATS:
        raise JournalUnavailable(f"the first page of {path} is damaged")
    version = _number(header[_USER_VERSION])
    if version > SCHEMA_VERSION:
        raise JournalUnavailable(
            f"{path} was written by a newer Holdfast "
            f"(schema {version}; this version reads up to {SCHEMA_VERSION})"
        )
    return version


def _number(field: bytes) -> int:
    (number,) = struct.unpack(">I", field) if len(field) == 4 else (-1,)
    return int(number)


def connect(path: Path, durability: Literal["full", "relaxed"]) -> sqlite3.Connection:
    """Open a journal's file for reading and writing, as the one connection to it."""
    db = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    db.text_factory = lenient_text
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={'FULL' if durability == 'full' else 'NORMAL'}",
        "fullfsync=ON",  # macOS: without it an fsync leaves the data in the drive's cache
        "checkpoint_fullfsync=ON",
        # A checkpoint that runs by itself hides its I/O errors.
        "wal_autocheckpoint=0",
        "cache_size=-16000",
        "temp_store=MEMORY",
        # What was deleted or truncated is overwritten, not only unlinked.
        "secure_delete=ON",
        "trusted_schema=OFF",
    ):
        db.execute(f"PRAGMA {pragma}")
    return db


def lenient_text(raw: bytes) -> str:
    """Read a text, whatever it is: damage is for the seals to find, not for the decoder."""
    return raw.decode(errors="replace")


def check_tables(db: sqlite3.Connection) -> None:
    """Check that the tables are those of this version.

    Raises:
        JournalCorrupt: where they are not, and nothing read from them could be trusted.
    """
    fresh = sqlite3.connect(":memory:")
    fresh.executescript(_TABLES)
    listed = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"
    expected = fresh.execute(listed).fetchall()
    fresh.close()
    if db.execute(listed).fetchall() != expected:
        raise damaged("the description of the file's tables")


def write_meta(db: sqlite3.Connection, name: str, value: int) -> None:
    """Write a number that is kept of the journal as a whole."""
    row = name, value, seal(value, name.encode())
    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?, ?)", row)


def read_meta(db: sqlite3.Connection, name: str) -> int:
    """Read such a number back.

    Raises:
        JournalCorrupt: where it is damaged.
    """
    row = db.execute("SELECT value, crc FROM meta WHERE name = ?", (name,)).fetchone()
    if row is None or row[1] != seal(row[0], name.encode()):
        raise damaged(f"{name} in the file's table of numbers")
    return int(row[0])
