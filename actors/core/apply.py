"""`apply`: the state after one more event. The only code that says what an event means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from attrs import evolve

from ..errors import InternalError, JournalCorrupt
from .events import (
    Entry,
    Recorded,
    ThreadCreated,
    ThreadDeleted,
    ThreadEnded,
    ThreadTruncated,
    TurnDelta,
    TurnEnded,
    TurnItem,
    TurnStarted,
    TurnSubmitted,
    turn_of,
)
from .head import Head, Life
from .thread_state import LiveTurn, QueuedTurn, ThreadState, next_life, state_at
from .turn_lifecycle import TurnState, step
from .turn_view import see, view_of_submitted


def apply(state: ThreadState, entry: Entry) -> ThreadState:
    """Return the state after an entry.

    Raises:
        InternalError: where the entry cannot follow: a gap, or a turn that is not where the table
            of its life would have it (I2, I3).
    """
    if entry.offset != state.offset + 1:
        raise InternalError(f"offset {entry.offset} cannot follow {state.offset}")
    after = _APPLY.get(type(entry.event), _nothing)(state, entry, entry.event)
    if after.offset == entry.to or after.epoch != state.epoch:
        return after
    return evolve(after, offset=entry.to)


def restore(head: Head, entries: Iterable[Entry]) -> ThreadState:
    """Return the state of a thread from its head and the events of its unsettled turns.

    Args:
        head: as the journal has it.
        entries: the entries from `head.open_from` on; those of settled turns are passed over.

    Raises:
        JournalCorrupt: where the events do not lead to that head: then either is damaged (I16).
    """
    state = state_at(head)
    try:
        for entry in entries:
            if turn_of(entry.event) in head.unsettled:
                state = _APPLY.get(type(entry.event), _nothing)(state, entry, entry.event)
    except (InternalError, TypeError, ValueError, AttributeError) as exc:
        raise JournalCorrupt("the unsettled turns cannot be read") from exc
    state = evolve(
        state,
        offset=head.offset,
        active_at=head.active_at,
        life=head.life,
        settled=head.settled,
    )
    if state.head != head:
        raise JournalCorrupt("the head and the events do not name the same unsettled turns")
    return state


def _created(state: ThreadState, entry: Entry, event: ThreadCreated) -> ThreadState:
    return evolve(state, life=Life.OPEN, created_at=entry.at, active_at=entry.at)


def _submitted(state: ThreadState, entry: Entry, event: TurnSubmitted) -> ThreadState:
    view = view_of_submitted(event, entry.at)
    turn = QueuedTurn(event.turn, view, entry.offset, event.supersedes, event.metadata)
    queue = (turn, *state.queue) if event.supersedes else (*state.queue, turn)
    # A submit opens an ended thread again, in the same epoch (rule 11).
    return _with_turns(state, entry.to, Life.OPEN, entry.at, state.live, queue)


def _started(state: ThreadState, entry: Entry, event: TurnStarted) -> ThreadState:
    if state.live is not None and state.live.turn == event.turn:
        step(TurnState.RUNNING, TurnState.RUNNING)
        again = evolve(state.live, attempt=event.attempt, view=see(state.live.view, entry))
        return evolve(state, live=again)
    queued = state.queued(event.turn)
    if queued is None or state.live is not None:
        raise InternalError(f"turn {event.turn} cannot start at offset {entry.offset}")
    step(TurnState.QUEUED, TurnState.RUNNING)
    live = LiveTurn(
        event.turn, queued.view, queued.first, entry.offset, event.attempt, queued.metadata
    )
    queue = _without(state, event.turn)
    return _with_turns(state, entry.to, state.life, state.active_at, live, queue)


def _said(state: ThreadState, entry: Entry, event: TurnDelta | TurnItem) -> ThreadState:
    if state.live is None or state.live.turn != event.turn:
        raise InternalError(f"turn {event.turn} is not running at offset {entry.offset}")
    live = state.live
    said = LiveTurn(
        live.turn, see(live.view, entry), live.first, live.place, live.attempt, live.metadata
    )
    # One call less than `_with_turns`: this is done for each piece.
    return ThreadState(
        state.epoch,
        entry.to,
        state.floor,
        state.life,
        state.created_at,
        state.active_at,
        state.transcript_items,
        state.settled,
        said,
        state.queue,
    )


def _ended(state: ThreadState, entry: Entry, event: TurnEnded) -> ThreadState:
    # A repair is maintenance: it must not reorder the list of threads.
    repaired = event.state is TurnState.INTERRUPTED
    active_at = state.active_at if repaired else entry.at
    if state.live is not None and state.live.turn == event.turn:
        step(TurnState.RUNNING, event.state)
        settled = state.live.place, _count_left(state.live.view, event)
        return _with_turns(state, entry.to, state.life, active_at, None, state.queue, *settled)
    queued = state.queued(event.turn)
    if queued is None:
        raise InternalError(f"turn {event.turn} cannot end at offset {entry.offset}")
    step(TurnState.QUEUED, event.state)
    settled = entry.offset, _count_left(queued.view, event)
    queue = _without(state, event.turn)
    return _with_turns(state, entry.to, state.life, active_at, state.live, queue, *settled)


def _recorded(state: ThreadState, entry: Entry, event: Recorded) -> ThreadState:
    turns = state.live, state.queue
    return _with_turns(state, entry.to, Life.OPEN, entry.at, *turns, entry.offset, 1)


def _truncated(state: ThreadState, entry: Entry, event: ThreadTruncated) -> ThreadState:
    # A cursor from before a truncation would replay what is gone.
    return evolve(state, floor=entry.offset, transcript_items=event.items, active_at=entry.at)


def _thread_ended(state: ThreadState, entry: Entry, event: ThreadEnded) -> ThreadState:
    return evolve(state, life=Life.ENDED, active_at=entry.at)


def _thread_deleted(state: ThreadState, entry: Entry, event: ThreadDeleted) -> ThreadState:
    return next_life(state)


def _nothing(state: ThreadState, entry: Entry, event: object) -> ThreadState:
    return state


_APPLY: Final[dict[type, Callable[[ThreadState, Entry, Any], ThreadState]]] = {
    ThreadCreated: _created,
    TurnSubmitted: _submitted,
    TurnStarted: _started,
    TurnDelta: _said,
    TurnItem: _said,
    TurnEnded: _ended,
    Recorded: _recorded,
    ThreadTruncated: _truncated,
    ThreadEnded: _thread_ended,
    ThreadDeleted: _thread_deleted,
}


def _without(state: ThreadState, turn: str) -> tuple[QueuedTurn, ...]:
    return tuple([queued for queued in state.queue if queued.turn != turn])


def _count_left(view: Any, event: TurnEnded) -> int:
    if event.rolled_back:
        return 0
    return 1 + len(view.said) + (event.item is not None)


def _with_turns(
    state: ThreadState,
    to: int,
    life: Life,
    active_at: float,
    live: LiveTurn | None,
    queue: tuple[QueuedTurn, ...],
    place: int = 0,
    items: int = 0,
) -> ThreadState:
    """Return the state at offset `to`, with `items` more of history settled at `place`."""
    # `evolve`, or names, would cost as much as all the rest, and this is done for each event.
    return ThreadState(
        state.epoch,
        to,
        state.floor,
        life,
        state.created_at,
        active_at,
        state.transcript_items + items,
        max(state.settled, place),
        live,
        queue,
    )
