"""The journal in one SQLite file: the embedded default."""

from __future__ import annotations

from .journal import SqliteJournal, open_sqlite_journal

__all__ = ["SqliteJournal", "open_sqlite_journal"]
