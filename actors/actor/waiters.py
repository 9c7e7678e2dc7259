"""Those whose cancel is answered once the turn has ended (I6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.effects import Cancelled, CancelOutcome
from ..core.turn_lifecycle import TurnState
from ..errors import Rejected

if TYPE_CHECKING:
    from ..core.events import TurnEnded
    from ..core.position import Position
    from .reply import Reply


class Waiters:
    """Who waits for which turn to end.

    Args:
        bound: how many may wait for one turn.
    """

    __slots__ = (
        "_bound",
        "_waiting",
    )

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._waiting: dict[str, list[Reply]] = {}

    def add(self, turn: str, reply: Reply) -> None:
        """Answer `reply` when the turn has ended."""
        waiting = self._waiting.setdefault(turn, [])
        if len(waiting) < self._bound:
            waiting.append(reply)
        else:
            reply(Rejected("overloaded", "too many wait for this turn to end"))

    def answer(self, event: TurnEnded, position: Position) -> None:
        """Tell everybody who waited how the turn ended."""
        outcome = CancelOutcome.ALREADY_ENDED
        if event.abandoned:
            outcome = CancelOutcome.ABANDONED
        elif event.state is TurnState.CANCELLED:
            outcome = CancelOutcome.CANCELLED
        for reply in self._waiting.pop(event.turn, ()):
            reply(Cancelled(event.turn, outcome, position))

    def take_all(self) -> tuple[Reply, ...]:
        """Take everybody who still waits."""
        replies = tuple(reply for waiting in self._waiting.values() for reply in waiting)
        self._waiting.clear()
        return replies
