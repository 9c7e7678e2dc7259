"""A state and a row are changed in place, although others hold them (decision 26)."""

from __future__ import annotations

from actors.core.event_codec import Row
from actors.core.position import Position
from actors.core.thread_state import ThreadState
from actors.journal.contract import Append


def move_on(state: ThreadState, row: Row, position: Position, append: Append) -> None:
    """Save making new ones."""
    state.offset = row.to  # wrong: misc
    row.body = b""  # wrong: misc
    position.offset += 1  # wrong: misc
    append.rows = ()  # wrong: misc
