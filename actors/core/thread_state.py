"""A thread as its actor knows it: everything that a decision may depend on, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .head import Head, Life
from .position import Position
from .turn_view import TurnView
from .value import value


@value
class QueuedTurn:
    """A turn that waits.

    Args:
        turn: its id.
        view: its message.
        first: the offset of the event that submitted it.
        supersedes: the running turn that it waits for, where it is to take its place.
        metadata: what the client sent along.
    """

    turn: str
    view: TurnView
    first: int
    supersedes: str | None = None
    metadata: Mapping[str, Any] | None = None


@value
class LiveTurn:
    """The turn that was started and has no ending yet.

    Args:
        turn: its id.
        view: what it has said.
        first: the offset of the event that submitted it.
        place: where it stands in turn order: the offset of the event that started it first.
        attempt: how often it was started, from 1.
        metadata: what the client sent along.
    """

    turn: str
    view: TurnView
    first: int
    place: int
    attempt: int
    metadata: Mapping[str, Any] | None = None


@value
class ThreadState:
    """The fold of a thread's events.

    Args:
        epoch, offset, floor, life, created_at, active_at, settled: as in `Head`.
        transcript_items: how many items its settled history has.
        live: the turn that runs, or ran when the process died.
        queue: the turns that wait, next one first; at most `Limits.queued_turns`.
    """

    epoch: int
    offset: int = 0
    floor: int = 0
    life: Life = Life.ABSENT
    created_at: float = 0.0
    active_at: float = 0.0
    transcript_items: int = 0
    settled: int = 0
    live: LiveTurn | None = None
    queue: tuple[QueuedTurn, ...] = ()

    @property
    def position(self) -> Position:
        """The position after the last event."""
        return Position(self.epoch, self.offset)

    @property
    def head(self) -> Head:
        """What of this is kept beside the events."""
        live = self.live
        queued: tuple[str, ...] = ()
        first = live.first if live is not None else None
        if self.queue:  # seldom, and this is done for each piece
            queued = tuple([turn.turn for turn in self.queue])
            firsts = [turn.first for turn in self.queue]
            first = min(firsts) if first is None else min(first, *firsts)
        return Head(
            self.epoch,
            self.offset,
            self.floor,
            self.life,
            self.created_at,
            self.active_at,
            self.transcript_items,
            self.settled,
            live.turn if live is not None else None,
            queued,
            first,
        )

    @property
    def busy(self) -> bool:
        """Whether a turn is live or waits."""
        return self.live is not None or bool(self.queue)

    def queued(self, turn: str) -> QueuedTurn | None:
        """Return a waiting turn, or None."""
        return next((queued for queued in self.queue if queued.turn == turn), None)


def state_at(head: Head) -> ThreadState:
    """Return the state that a head stands for, without its unsettled turns."""
    return ThreadState(
        epoch=head.epoch,
        offset=head.offset,
        floor=head.floor,
        life=head.life,
        created_at=head.created_at,
        active_at=head.active_at,
        transcript_items=head.items,
        settled=head.settled,
    )


def next_life(state: ThreadState) -> ThreadState:
    """Return the state after a deletion: absent, in the next epoch (I13)."""
    return ThreadState(epoch=state.epoch + 1)
