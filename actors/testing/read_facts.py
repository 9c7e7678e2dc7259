"""Answers to reads: what a client was shown of threads that it does not follow."""

from __future__ import annotations

from attrs import frozen

from ..core.items import Item
from ..core.position import Position


@frozen
class Page:
    """The answer to the read of a history: its newest items.

    Args:
        items: oldest first.
        before: pages back; None where nothing older is there.
    """

    items: tuple[Item, ...]
    before: str | None


@frozen
class Line:
    """A thread in a listing, at the place that is shown.

    Args:
        active_at: Unix seconds of the last thing that a person or a turn did.
    """

    thread: str
    position: Position
    items: int
    active_at: float


@frozen
class Listing:
    """The answer to the listing of the threads; `complete` where no page follows."""

    lines: tuple[Line, ...]
    complete: bool
