"""The journal in memory, for tests and simulation: the contract in its plainest form."""

from .journal import MemoryJournal

__all__ = ["MemoryJournal"]
