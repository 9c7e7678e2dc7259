"""I10 and I20: nothing fails by itself, every call is answered, and all comes to its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts import Raised, Refused, Stuck, Surprise, Unanswered
from .broken import Broken

if TYPE_CHECKING:
    from ..history import Call, History

# Refusals that stand for a failure of the runtime or of the disk.
_FAILURES = frozenset({"internal", "journal_unavailable", "thread_failed", "draining"})


def everything_ends(history: History) -> Iterator[Broken]:
    """Find what got stuck, was never answered, or failed although nothing was broken."""
    for index, record in enumerate(history.records):
        match record.fact:
            case Stuck(what=what):
                yield Broken("I20", what, index)
            case Unanswered(call=number):
                yield Broken("I20", f"call {number} was never answered", index)
            case Surprise(what=what):
                yield Broken("I10", what, index)
            case _:
                pass
    for call in history.calls.values():
        if _failed(history, call):
            message = f"call {call.number} came to {call.answer}, although nothing was broken"
            yield Broken("I10", message, call.over or call.called)


def _failed(history: History, call: Call) -> bool:
    closing = history.lives[call.life].closing
    if closing is not None and call.over is not None and call.over > closing:
        return False
    answer = call.answer
    return isinstance(answer, Raised) or (isinstance(answer, Refused) and answer.code in _FAILURES)
