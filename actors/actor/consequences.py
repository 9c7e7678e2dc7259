"""What follows from a thread's decisions once they are durable: replies, turns, streams closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.effects import AnswerNow, AnswerWhenEnded, CloseThread, StartTurn, StopTurn
from ..core.position import Position
from .waiters import Waiters

if TYPE_CHECKING:
    from ..core.effects import Effect
    from ..core.thread_state import LiveTurn
    from ..delivery.tail import Tail
    from .activation import Surroundings
    from .outbox import Outgoing
    from .reply import Reply
    from .service_host import ServiceHost
    from .turn_host import TurnHost


class Consequences:
    """Carries out what one activation decided, in that order and once it is durable (idea 2).

    Args:
        tail: the thread's, whose streams a decision may close.
        around: where endings are counted and recorded.
        service, turns: what runs for the activation.
    """

    __slots__ = ("_around", "_service", "_tail", "_turns", "_waiters")

    def __init__(
        self, tail: Tail, around: Surroundings, service: ServiceHost, turns: TurnHost
    ) -> None:
        self._tail = tail
        self._around = around
        self._service = service
        self._turns = turns
        self._waiters = Waiters(around.limits.mailbox_commands)

    def take_waiting(self) -> tuple[Reply, ...]:
        """Take everybody who waits for a turn to end."""
        return self._waiters.take_all()

    def of(self, outgoing: Outgoing, live: LiveTurn | None) -> None:
        """Act on a decision that is durable.

        Args:
            outgoing: the decision.
            live: the turn that is live now, as far as was decided.
        """
        self._turns.made_durable(outgoing.pieces)
        if outgoing.step.changes_history:
            self._turns.settled(outgoing.step)
        if outgoing.refusal is not None and outgoing.reply is not None:
            outgoing.reply(outgoing.refusal)
        for event, offset in outgoing.step.ended:
            self._around.endings[event.state.value] += 1
            if self._around.recording is not None:
                self._around.recording.ended(self._tail.thread, event)
            self._waiters.answer(event, Position(outgoing.step.state.epoch, offset))
        for effect in outgoing.step.effects:
            self._carry_out(effect, outgoing, live)

    def _carry_out(self, effect: Effect, outgoing: Outgoing, live: LiveTurn | None) -> None:
        reply = outgoing.reply
        match effect:
            case AnswerNow(result=result) if reply is not None:
                reply(result)
            case AnswerWhenEnded(turn=turn) if reply is not None:
                self._waiters.add(turn, reply)
            case StartTurn(turn=turn) if live is not None and live.turn == turn:
                self._turns.start(live, outgoing.step.state.settled)
            case StopTurn(turn=turn, ending=ending):
                self._turns.stop(turn, ending)
            case CloseThread(reason=reason):
                self._service.drop_casts()
                self._tail.detach_all(outgoing.step.last, reason)
            case _:
                pass
