"""How full what is bounded is, over all threads: for operators, and to see bounds hold (I12)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from .entry import ThreadEntry


@frozen
class Fill:
    """The fullest of each sort, whichever thread it belongs to.

    Args:
        commands: that wait in a mailbox; `limits.mailbox_commands` and one put back bound it.
        tail_bytes: of newest events in memory; `limits.tail_bytes`, or one event alone.
        tail_merged_bytes: of those before them; `limits.tail_merged_bytes`.
        pieces: that a turn said and are on no way to the journal; `limits.turn_buffer_pieces`.
        subscribers: of one thread; `limits.subscribers`.
    """

    commands: int = 0
    tail_bytes: int = 0
    tail_merged_bytes: int = 0
    pieces: int = 0
    subscribers: int = 0

    def or_more(self, other: Fill) -> Fill:
        """Return the larger of each figure."""
        return Fill(
            max(self.commands, other.commands),
            max(self.tail_bytes, other.tail_bytes),
            max(self.tail_merged_bytes, other.tail_merged_bytes),
            max(self.pieces, other.pieces),
            max(self.subscribers, other.subscribers),
        )


def fill_of(entries: Iterable[ThreadEntry]) -> Fill:
    """Return how full the fullest are; costs by the number of entries."""
    figures = [
        (
            len(entry.mailbox),
            entry.tail.size,
            entry.tail.merged_size,
            entry.actor.turns.pieces if entry.actor is not None else 0,
            entry.tail.watchers,
        )
        for entry in entries
    ]
    return Fill(*map(max, zip(*figures, strict=True)))
