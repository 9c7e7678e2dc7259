"""I6: a turn that was stopped leaves the history where that was asked for, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core.commands import OnBusy
from ...core.effects import Submitted
from ..operations import Cancel, Submit
from .broken import Broken
from .i5_bystanders import may_end
from .i6_cancel import is_for

if TYPE_CHECKING:
    from ..history import History, Logged, TurnHistory


def stopped_as_asked(history: History) -> Iterator[Broken]:
    """Find turns that were rolled back and were to be kept, and the other way round."""
    for turn in history.turns.values():
        for ending in turn.endings:
            asked = _asked(history, turn, ending)
            rolled_back = bool(ending.raw.get("rolled_back"))
            if asked and rolled_back not in asked:
                done = "rolled back" if rolled_back else "kept"
                yield Broken("I6", f"{turn.turn} was {done}, which nobody asked for", ending.index)


def _asked(history: History, turn: TurnHistory, ending: Logged) -> set[bool]:
    """Return whether it was to be rolled back, by each who may have ended it; none if unknown."""
    if ending.type == "turn.superseded":
        return {
            call.operation.on_busy is OnBusy.ROLLBACK
            for call in history.calls.values()
            if isinstance(call.operation, Submit)
            and isinstance(call.answer, Submitted)
            and (call.answer.turn, call.answer.duplicate) == (ending.raw.get("by"), False)
        }
    if ending.type == "turn.cancelled" and ending.raw.get("reason") == "requested":
        return {
            call.operation.rollback
            for call in history.calls.values()
            if isinstance(call.operation, Cancel)
            and may_end(call, turn, ending)
            and is_for(call, turn.turn)
        }
    return set()
