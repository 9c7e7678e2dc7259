"""The journal in one SQLite file: the embedded default."""

from __future__ import annotations

from .journal import SqliteJournal, open_sqlite_journal
from .verify import Damage, verify

__all__ = ["Damage", "SqliteJournal", "open_sqlite_journal", "verify"]
