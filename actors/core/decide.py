"""`decide`: what follows from a command in a state: events and effects, or a refusal."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from ..errors import InternalError, Rejected
from ..limits import DEFAULT_LIMITS, Limits
from .commands import (
    FINALISING,
    Cancel,
    Command,
    Delete,
    End,
    Ending,
    Exited,
    Finalise,
    Fork,
    OnBusy,
    Open,
    Record,
    Recover,
    Say,
    Submit,
    Truncate,
)
from .effects import (
    AnswerNow,
    AnswerWhenEnded,
    Cancelled,
    CancelOutcome,
    Closed,
    CloseThread,
    DecideAgain,
    Effect,
    ForkReceipt,
    Opened,
    RecordReceipt,
    StartTurn,
    StopTurn,
    Submitted,
    Truncated,
)
from .events import (
    Event,
    Recorded,
    ThreadCreated,
    ThreadDeleted,
    ThreadEnded,
    ThreadTruncated,
    TurnEnded,
    TurnStarted,
    TurnSubmitted,
)
from .head import Cut, Life, Receipt
from .items import item_id
from .position import Position
from .refusals import no_such_item, no_such_thread, no_such_turn
from .turn_lifecycle import TurnState
from .value import value

if TYPE_CHECKING:
    from .thread_state import LiveTurn, QueuedTurn, ThreadState


@value
class Decision:
    """What follows from a command.

    Args:
        events: to be appended, each with the number of offsets that it covers.
        effects: to be carried out once those are durable.
        receipts: the keys that the command was accepted under.
        cut: what a truncation among the events leaves.
    """

    events: tuple[tuple[Event, int], ...] = ()
    effects: tuple[Effect, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    cut: Cut | None = None


def decide(
    state: ThreadState, command: Command, now: float, limits: Limits = DEFAULT_LIMITS
) -> Decision:
    """Decide a command.

    Args:
        state: the thread, as far as decisions have gone (which may be ahead of the disk).
        command: what is asked, with the facts that go with it.
        now: Unix seconds.
        limits: the bounds in force.

    Raises:
        Rejected: the command is refused and changes nothing.
    """
    return _DECIDE[type(command)](state, command, now, limits)


def _submit(state: ThreadState, command: Submit, now: float, limits: Limits) -> Decision:
    if command.prior is not None:
        return _repeat(state, command, command.prior)
    events, effects = _make_way(state, command, limits)
    submitted_at = state.offset + len(events) + 1
    events += (_submitted(command, state.live),)
    if state.live is None and not state.queue:
        events += (TurnStarted(command.turn, attempt=1),)
        effects += (StartTurn(command.turn),)
    receipt = Submitted(command.turn, Position(state.epoch, submitted_at))
    receipts = _receipt(command, command.turn, submitted_at, now)
    return Decision(_single(events), (AnswerNow(receipt), *effects), receipts, command.cut)


def _repeat(state: ThreadState, command: Submit | Record | Fork, prior: Receipt) -> Decision:
    if prior.digest != command.digest():
        raise Rejected(
            "idempotency_conflict", "this key was used before, for a command with another body"
        )
    if prior.forked is not None:
        return Decision((), (AnswerNow(ForkReceipt(prior.forked, duplicate=True)),))
    position = Position(state.epoch, prior.offset)
    if prior.turn is None:
        return Decision((), (AnswerNow(RecordReceipt(position, duplicate=True)),))
    return Decision((), (AnswerNow(Submitted(prior.turn, position, duplicate=True)),))


def _record(state: ThreadState, command: Record, now: float, limits: Limits) -> Decision:
    if command.prior is not None:
        return _repeat(state, command, command.prior)
    events: tuple[Event, ...] = (ThreadCreated(),) if state.life is Life.ABSENT else ()
    recorded_at = state.offset + len(events) + 1
    item = item_id(command.record, 0)
    author = None if command.key is None else command.principal
    events += (Recorded(item, command.kind, command.data, command.key, author),)
    answer = AnswerNow(RecordReceipt(Position(state.epoch, recorded_at)))
    return Decision(_single(events), (answer,), _receipt(command, None, recorded_at, now))


def _finalise(state: ThreadState, command: Finalise, now: float, limits: Limits) -> Decision:
    if state.life is Life.ABSENT:
        raise no_such_thread()
    live = state.live.turn if state.live is not None else None
    if command.settled or live == FINALISING or state.queued(FINALISING) is not None:
        return Decision((), (AnswerNow(Submitted(FINALISING, state.position, duplicate=True)),))
    content = [{"type": FINALISING}]
    turn = Submit(
        turn=FINALISING, principal=command.principal, content=content, on_busy=OnBusy.QUEUE
    )
    return _submit(state, turn, now, limits)


def _make_way(
    state: ThreadState, command: Submit, limits: Limits
) -> tuple[tuple[Event, ...], tuple[Effect, ...]]:
    """Return what has to happen before the new turn is there: events, then effects after."""
    if state.live is not None:
        return _policy(state, state.live, command, limits)
    if command.truncate is not None and state.queue:
        raise _turn_in_progress(state.queue[0])
    events: tuple[Event, ...] = ()
    if state.life is Life.ABSENT:
        if command.truncate is not None and command.truncate.after is not None:
            raise no_such_item()
        events = (ThreadCreated(),)
    if command.truncate is not None and command.cut is not None:
        events += (ThreadTruncated(command.truncate.after, command.cut.items),)
    return events, ()


def _policy(
    state: ThreadState, live: LiveTurn, command: Submit, limits: Limits
) -> tuple[tuple[Event, ...], tuple[Effect, ...]]:
    if command.on_busy is OnBusy.REJECT or command.truncate is not None:
        raise _turn_in_progress(live)
    replaces = command.on_busy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK)
    waiting = state.queue[0] if state.queue and state.queue[0].supersedes else None
    leaving = 1 if replaces and waiting else 0
    if len(state.queue) - leaving >= limits.queued_turns:
        raise Rejected("queue_full", f"{limits.queued_turns} turns are waiting already")
    if not replaces:
        return (), ()
    rolled_back = command.on_busy is OnBusy.ROLLBACK
    ending = Ending(TurnState.SUPERSEDED, by=command.turn, rolled_back=rolled_back)
    events = (_ended_queued(waiting, ending),) if waiting else ()
    return events, (StopTurn(live.turn, ending),)


def _submitted(command: Submit, live: LiveTurn | None) -> TurnSubmitted:
    replaces = live is not None and command.on_busy in (OnBusy.INTERRUPT, OnBusy.ROLLBACK)
    return TurnSubmitted(
        turn=command.turn,
        item=item_id(command.turn, 0),
        content=command.content,
        author=command.principal,
        key=command.key,
        metadata=command.metadata,
        attachments=command.attachments,
        supersedes=live.turn if live is not None and replaces else None,
    )


def _fork(state: ThreadState, command: Fork, now: float, limits: Limits) -> Decision:
    if command.prior is not None:
        return _repeat(state, command, command.prior)
    _check_at_rest(state)
    if command.made is None:
        raise InternalError("a fork is decided once its copy is durable")
    receipts = (command.receipt,) if command.receipt is not None else ()
    return Decision((), (AnswerNow(ForkReceipt(command.made)),), receipts)


def _receipt(
    command: Submit | Record, turn: str | None, offset: int, now: float
) -> tuple[Receipt, ...]:
    if command.key is None:
        return ()
    return (Receipt(command.principal, command.key, command.digest(), turn, offset, now),)


def _cancel(state: ThreadState, command: Cancel, now: float, limits: Limits) -> Decision:
    if state.life is Life.ABSENT:
        raise no_such_thread()
    live = state.live
    if live is not None and command.turn in (None, live.turn):
        ending = _cancelled("requested", rolled_back=command.rollback)
        return Decision((), (StopTurn(live.turn, ending), AnswerWhenEnded(live.turn)))
    if command.turn is None:
        return _settled_cancel(None, CancelOutcome.NOTHING_RUNNING, state.position)
    queued = state.queued(command.turn)
    if queued is not None:
        return _cancel_queued(state, queued, command)
    if not command.settled:
        raise no_such_turn()
    return _settled_cancel(command.turn, CancelOutcome.ALREADY_ENDED, state.position)


def _cancel_queued(state: ThreadState, queued: QueuedTurn, command: Cancel) -> Decision:
    event = _ended_queued(queued, _cancelled("requested", rolled_back=command.rollback))
    position = Position(state.epoch, state.offset + 1)
    answer = AnswerNow(Cancelled(queued.turn, CancelOutcome.CANCELLED, position))
    return Decision(_single((event,)), (answer,))


def _settled_cancel(turn: str | None, outcome: CancelOutcome, position: Position) -> Decision:
    return Decision((), (AnswerNow(Cancelled(turn, outcome, position)),))


def _check_at_rest(state: ThreadState) -> None:
    """Refuse what may not come upon a live or queued turn (rule 10)."""
    if state.life is Life.ABSENT:
        raise no_such_thread()
    busy = state.live or next(iter(state.queue), None)
    if busy is not None:
        raise _turn_in_progress(busy)


def _truncate(state: ThreadState, command: Truncate, now: float, limits: Limits) -> Decision:
    _check_at_rest(state)
    event = ThreadTruncated(command.truncate.after, command.cut.items)
    answer = AnswerNow(Truncated(Position(state.epoch, state.offset + 1)))
    return Decision(_single((event,)), (answer,), cut=command.cut)


def _end(state: ThreadState, command: End, now: float, limits: Limits) -> Decision:
    if state.life is not Life.OPEN or (state.busy and command.unless_busy):
        return Decision((), (AnswerNow(Closed(existed=False)),))
    return _close(state, "ended", ThreadEnded())


def _open(state: ThreadState, command: Open, now: float, limits: Limits) -> Decision:
    if state.life is Life.ENDED:
        raise Rejected("unsupported", "a submit or a record opens a thread that was ended")
    existed = state.life is Life.OPEN
    events = () if existed else (ThreadCreated(),)
    return Decision(_single(events), (AnswerNow(Opened(existed)),))


def _delete(state: ThreadState, command: Delete, now: float, limits: Limits) -> Decision:
    used = state.transcript_items > 0 or state.busy
    if state.life is Life.ABSENT or (used and command.unless_used):
        return Decision((), (AnswerNow(Closed(existed=False)),))
    return _close(state, "deleted", ThreadDeleted())


def _close(state: ThreadState, reason: str, last: ThreadEnded | ThreadDeleted) -> Decision:
    """Cancel everything; the same command is decided again when the live turn has ended."""
    ending = _cancelled(reason)
    events: tuple[Event, ...] = tuple(_ended_queued(queued, ending) for queued in state.queue)
    if state.live is not None:
        turn = state.live.turn
        return Decision(_single(events), (StopTurn(turn, ending), DecideAgain(turn)))
    effects = (AnswerNow(Closed(existed=True)), CloseThread(reason))
    return Decision(_single((*events, last)), effects)


def _say(state: ThreadState, command: Say, now: float, limits: Limits) -> Decision:
    # A turn that is no longer live says nothing any more (I7).
    if state.live is None or state.live.turn != command.turn:
        return Decision()
    return Decision(command.pieces)


def _exited(state: ThreadState, command: Exited, now: float, limits: Limits) -> Decision:
    if state.live is None or state.live.turn != command.turn:
        return Decision()
    event = _ended(command.turn, state.live.view.numbered, command.ending)
    return _then_next(state, (event,), command.start_next)


def _recover(state: ThreadState, command: Recover, now: float, limits: Limits) -> Decision:
    live = state.live
    if live is None:
        return _then_next(state, (), command.start_next)
    if command.retry and live.attempt < limits.turn_attempts:
        started = TurnStarted(live.turn, live.attempt + 1)
        return Decision(_single((started,)), (StartTurn(live.turn),))
    ending = Ending(TurnState.INTERRUPTED, reason=command.reason)
    event = _ended(live.turn, live.view.numbered, ending)
    return _then_next(state, (event,), command.start_next)


def _then_next(state: ThreadState, events: tuple[Event, ...], start: bool) -> Decision:
    if not start or not state.queue:
        return Decision(_single(events))
    turn = state.queue[0].turn
    return Decision(_single((*events, TurnStarted(turn, attempt=1))), (StartTurn(turn),))


def _ended_queued(queued: QueuedTurn, ending: Ending) -> TurnEnded:
    return _ended(queued.turn, queued.view.numbered, ending)


def _ended(turn: str, numbered: int, ending: Ending) -> TurnEnded:
    """Make a turn's terminal event: the only place that does (I2)."""
    shows_marker = ending.state is not TurnState.COMPLETED and not ending.rolled_back
    return TurnEnded(
        turn=turn,
        state=ending.state,
        item=item_id(turn, numbered) if shows_marker else None,
        reason=ending.reason,
        error=ending.error,
        message=ending.message,
        by=ending.by,
        rolled_back=ending.rolled_back,
        abandoned=ending.abandoned,
    )


def _cancelled(reason: str, *, rolled_back: bool = False) -> Ending:
    return Ending(TurnState.CANCELLED, reason=reason, rolled_back=rolled_back)


def _single(events: tuple[Event, ...]) -> tuple[tuple[Event, int], ...]:
    return tuple([(event, 1) for event in events])


def _turn_in_progress(busy: LiveTurn | QueuedTurn) -> Rejected:
    return Rejected("turn_in_progress", "a turn is running on this thread", turn=busy.turn)


_DECIDE: Final[dict[type, Callable[[ThreadState, Any, float, Limits], Decision]]] = {
    Submit: _submit,
    Record: _record,
    Finalise: _finalise,
    Fork: _fork,
    Cancel: _cancel,
    Truncate: _truncate,
    Open: _open,
    End: _end,
    Delete: _delete,
    Say: _say,
    Exited: _exited,
    Recover: _recover,
}
