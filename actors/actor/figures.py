"""Figures of all threads together, for operators and for recordings; nothing is decided by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fill import Fill, fill_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..core.position import Position
    from .entry import ThreadEntry
    from .supervisor import Supervisor


class Figures:
    """What the registry's threads come to at this instant; each costs by their number.

    Args:
        entries: what the registry keeps of each thread, which is read and never changed.
        supervisor: who restarts their actors.
    """

    def __init__(self, entries: Mapping[str, ThreadEntry], supervisor: Supervisor) -> None:
        self._entries = entries
        self._supervisor = supervisor

    @property
    def active(self) -> int:
        """How many threads are active."""
        return sum(entry.active for entry in self._entries.values())

    @property
    def restarts(self) -> int:
        """How often actors were started again."""
        return self._supervisor.restarts

    @property
    def quarantined(self) -> dict[str, str]:
        """The threads that were set aside, and why."""
        return {e.thread: e.quarantined for e in self._entries.values() if e.quarantined}

    @property
    def commands_waiting(self) -> int:
        """How many commands wait in all mailboxes."""
        return sum(len(entry.mailbox) for entry in self._entries.values())

    @property
    def subscribers(self) -> int:
        """How many attachments there are to all threads."""
        return sum(entry.tail.watchers for entry in self._entries.values())

    @property
    def fill(self) -> Fill:
        """How full what is bounded is."""
        return fill_of(self._entries.values())

    @property
    def heads(self) -> tuple[tuple[str, Position], ...]:
        """Where each thread stands that is active, as far as that is known."""
        active = (entry for entry in self._entries.values() if entry.active)
        return tuple((e.thread, e.tail.position) for e in active if e.tail.position is not None)
