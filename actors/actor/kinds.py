"""What a thread can do, as one value: its handler and the policies that go with it."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import field, frozen, validators

from ..core.casting import Overflow
from ..core.commands import FINALISING
from ..core.fields import SECONDS_OR_NONE, is_one_of, is_whole, member_of
from ..core.folds import NO_PROJECTIONS, Projections, check_projections
from ..core.record_kinds import RecordKinds, check_schemas
from ..errors import TurnFailed
from .handler_check import check_handler
from .lifetime import Capacity, EndAfter, Lifetime, Passivate
from .service_runner import ServiceFunction
from .turn import Turn

if TYPE_CHECKING:
    from ..limits import Limits

# An async function that writes to its turn, or an async generator that yields the pieces.
Handler: TypeAlias = Callable[[Turn], Awaitable[None] | AsyncIterator[str]]


def _seconds(default: float | None) -> float | None:
    value: float | None = field(default=default, validator=SECONDS_OR_NONE)
    return value


def _is_handler(kind: Any, attribute: Any, value: Any) -> None:
    if value is not None or attribute.default is not None:
        check_handler(attribute.name, value)


def _are_projections(kind: Any, attribute: Any, value: Any) -> None:
    check_projections(value)


def _are_schemas(kind: Any, attribute: Any, value: RecordKinds | None) -> None:
    check_schemas(attribute.name, value)


class OnExit(enum.StrEnum):
    """What it means for a thread that its service is over without having been stopped."""

    RESTART = "restart"
    END_THREAD = "end_thread"
    LEAVE = "leave"


def _on_exit(word: str) -> OnExit:
    return member_of(OnExit, "on_exit", word)


def _overflow(word: str) -> Overflow:
    return member_of(Overflow, "overflow", word)


async def takes_no_turns(turn: Turn) -> None:
    """Answer no turn: the handler of a kind that has none."""
    raise TurnFailed("unsupported", NO_TURNS)


NO_TURNS: Final = "this kind of thread takes no turns"


@frozen(kw_only=True)
class ThreadKind:
    """A kind of thread.

    Args:
        on_turn: answers a turn; without it, submits are refused.
        retry: the handler is safe to be run again, so a turn that a crash left open is started
            anew, at most `limits.turn_attempts` times in all; otherwise it ends interrupted.
        deadline: seconds that a turn may take in all; None sets no bound.
        no_progress: seconds that a turn may go without writing anything; None sets no bound.
        cancel_grace: seconds that the handler has to stop in; None takes the limit's.
        on_finalise: answers the turn that finalises a thread, see `Thread.finalise`. It is always
            run again after a crash, as with `retry`.
        lifetime: when the actor goes and whether the thread ends: `Passivate` or `EndAfter`.
        capacity: how many such threads may be active at a time; None sets no bound.
        presence: tell who is attached to those who are.
        records: the kinds of record that a thread takes, each with an attrs class that the data has
            to fit, strictly, or a function that returns the data or raises ValueError. None takes
            any kind, and any JSON.
        service: a background task of the thread. It runs while the thread is open and active, takes
            what is cast to the thread, and keeps the thread active unless `Passivate`
            names its seconds.
        casts: the kinds of cast that the service takes, each with what its data has to be, as with
            `records`; the function of one that comes as bytes gets bytes. None takes any.
        on_exit: what it means that the service is over by itself. `restart`: begin it again where
            it failed, at most `limits.restart_intensity` times in the period, then set the thread
            aside; a return is its end. `end_thread`: end the thread. `leave`: nothing; casts are
            refused from then on.
        overflow: what becomes of a cast that does not fit in the inbox.
        projections: keyed state that is folded from the thread's records.
        context_items: how many items of history `Turn.messages` shows, the newest ones. They are
            read before the handler is called, so one that asks for fewer begins sooner, and one
            that never asks takes 0. None takes the limit's, which bounds it in any case.

    Raises:
        TypeError, ValueError: where a figure is out of its range, or something is of another sort
            than it has to be: a schema, a policy, or a handler that cannot be called or is sure not
            to be async.
    """

    on_turn: Handler = field(default=takes_no_turns, validator=_is_handler)
    retry: bool = field(default=False, validator=is_one_of(bool))
    deadline: float | None = _seconds(900.0)
    no_progress: float | None = _seconds(300.0)
    cancel_grace: float | None = _seconds(None)
    on_finalise: Handler | None = field(default=None, validator=_is_handler)
    lifetime: Lifetime = field(factory=Passivate, validator=is_one_of(Passivate, EndAfter))
    capacity: Capacity | None = field(
        default=None, validator=validators.optional(is_one_of(Capacity))
    )
    presence: bool = field(default=False, validator=is_one_of(bool))
    records: RecordKinds | None = field(default=None, validator=_are_schemas)
    service: ServiceFunction | None = field(default=None, validator=_is_handler)
    casts: RecordKinds | None = field(default=None, validator=_are_schemas)
    on_exit: OnExit = field(default=OnExit.RESTART, converter=_on_exit)
    overflow: Overflow = field(default=Overflow.DROP_OLDEST, converter=_overflow)
    projections: Projections = field(default=NO_PROJECTIONS, validator=_are_projections)
    context_items: int | None = field(default=None, validator=validators.optional(is_whole(0)))

    def handler_of(self, turn: str) -> Handler:
        """Return what answers a turn, by its id."""
        if turn != FINALISING:
            return self.on_turn
        return self.on_finalise or _nothing_to_do

    def may_retry(self, turn: str) -> bool:
        """Say whether a turn that was left open may be run again."""
        return self.retry or turn == FINALISING

    def grace(self, limits: Limits) -> float:
        """Return how many seconds a handler, or the service, has to stop in."""
        return limits.cancel_grace_seconds if self.cancel_grace is None else self.cancel_grace


async def _nothing_to_do(turn: Turn) -> None:
    """Finalise a thread whose kind has no finaliser."""
