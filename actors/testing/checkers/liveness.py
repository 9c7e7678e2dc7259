"""I20: every call is answered, and all comes to its end, with nothing left over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts import Stuck, Unanswered
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History


def everything_ends(history: History) -> Iterator[Broken]:
    """Find what got stuck, was never answered, or is left over."""
    for index, record in history.of(Stuck, Unanswered):
        match record.fact:
            case Stuck(what=what):
                yield Broken("I20", what, index)
            case Unanswered(call=number):
                yield Broken("I20", f"call {number} was never answered", index)
            case _:
                pass
