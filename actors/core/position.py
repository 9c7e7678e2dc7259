"""Where something stands in a thread's stream, and the cursor that a client holds for it."""

from __future__ import annotations

import re
from typing import Final

from ..errors import PositionUnrecoverable
from .value import value

# An epoch and an offset are below 2**63, so 19 digits each.
_CURSOR: Final = re.compile(r"(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18})")


@value
class Position:
    """A place in one life of a thread.

    Args:
        epoch: which life of the thread's id; at least 1.
        offset: how many events lie before and at this place; 0 is before the first.
    """

    epoch: int
    offset: int

    # By hand: each batch of each viewer asks for them, and those of attrs cost five times as much.

    def __lt__(self, other: Position) -> bool:
        return (self.epoch, self.offset) < (other.epoch, other.offset)

    def __le__(self, other: Position) -> bool:
        return (self.epoch, self.offset) <= (other.epoch, other.offset)

    def __gt__(self, other: Position) -> bool:
        return (self.epoch, self.offset) > (other.epoch, other.offset)

    def __ge__(self, other: Position) -> bool:
        return (self.epoch, self.offset) >= (other.epoch, other.offset)

    def cursor(self) -> str:
        """Return the opaque text that clients keep, `"<epoch>.<offset>"`."""
        return f"{self.epoch}.{self.offset}"


def parse_cursor(text: str) -> Position:
    """Read a cursor back.

    Raises:
        PositionUnrecoverable: with reason `unreadable`, for anything `Position.cursor` never made.
    """
    match = _CURSOR.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PositionUnrecoverable("unreadable")
    return Position(int(match[1]), int(match[2]))
