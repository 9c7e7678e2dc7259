"""What a thread can do, as one value: its handler and the policies that go with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from attrs import field, frozen, validators

from .turn import Turn

# An async function that writes to its turn, or an async generator that yields the pieces.
Handler: TypeAlias = Callable[[Turn], Awaitable[None] | AsyncIterator[str]]


def _seconds(default: float | None) -> float | None:
    above_zero = validators.optional([validators.gt(0.0), validators.lt(1e9)])
    value: float | None = field(default=default, validator=above_zero)
    return value


@frozen(kw_only=True)
class ThreadKind:
    """A kind of thread.

    Args:
        on_turn: answers a turn.
        retry: the handler is safe to be run again, so a turn that a crash left open is started
            anew, at most `limits.turn_attempts` times in all; otherwise it ends interrupted.
        deadline: seconds that a turn may take in all; None sets no bound.
        no_progress: seconds that a turn may go without writing anything; None sets no bound.
        cancel_grace: seconds that the handler has to stop in; None takes the limit's.
        idle: seconds without a command after which the actor passivates; None takes the limit's.
    """

    on_turn: Handler
    retry: bool = False
    deadline: float | None = _seconds(900.0)
    no_progress: float | None = _seconds(300.0)
    cancel_grace: float | None = _seconds(None)
    idle: float | None = _seconds(None)
