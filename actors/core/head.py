"""What is kept of a thread beside its events: where it stands, what settled, which keys it took.

All of it follows from the events, so `verify` can compare the two.
"""

from __future__ import annotations

import enum
from typing import Literal

from .items import Item
from .position import Position
from .turn_lifecycle import TurnState
from .value import value


class Life(enum.StrEnum):
    """Whether a thread is there. A deleted one is absent again, in the next epoch (I13)."""

    ABSENT = "absent"
    OPEN = "open"
    ENDED = "ended"


@value
class Head:
    """What a restart and a listing need to know of a thread without reading its events.

    Args:
        epoch: the life of the thread's id, from the journal's `first_epoch` on.
        offset: the last offset written in it; 0 where nothing was.
        floor: the lowest offset that a cursor may be resumed from.
        life: whether the thread is there.
        created_at: Unix seconds of its first event.
        active_at: Unix seconds of the last thing that a person or a turn did; maintenance does not
            touch it.
        items: how many items its transcript has.
        settled: the place of the newest settled part of history; 0 where there is none.
        live: the turn that was started and has no ending.
        queued: the turns that wait, next one first.
        open_from: the offset of the first event of any of those turns; None without any.
    """

    epoch: int
    offset: int = 0
    floor: int = 0
    life: Life = Life.ABSENT
    created_at: float = 0.0
    active_at: float = 0.0
    items: int = 0
    settled: int = 0
    live: str | None = None
    queued: tuple[str, ...] = ()
    open_from: int | None = None

    @property
    def position(self) -> Position:
        """The position after the last event."""
        return Position(self.epoch, self.offset)

    @property
    def unsettled(self) -> frozenset[str]:
        """The turns that have no ending yet."""
        return frozenset(self.queued) | ({self.live} if self.live else frozenset())

    @property
    def activity(self) -> Literal["running", "queued", "idle"]:
        """What its turns do, as listings say it."""
        return "running" if self.live else "queued" if self.queued else "idle"


@value
class Settled:
    """A part of history that changes no more by itself: an ended turn, or a record.

    Args:
        place: where it stands in turn order: the offset of the event that started the turn (its
            first start), of the terminal event where it never ran, or of the record.
        owner: the id of the turn, or of the record.
        first: the offset of its first event.
        last: the offset of its last one.
        ended_at: Unix seconds of that one.
        state: how the turn ended; None for a record.
        items: what it left in the transcript; none where it was rolled back.
    """

    place: int
    owner: str
    first: int
    last: int
    ended_at: float
    state: TurnState | None
    items: tuple[Item, ...] = ()


@value
class Receipt:
    """That a command was accepted under an idempotency key (I8).

    Args:
        principal: who sent it; a key belongs to (thread, principal).
        key: the key.
        digest: a digest of the command's body, to tell a retry from another command.
        turn: the turn that it submitted; None for a record or a fork.
        offset: where the command stands in the stream; part of the receipt that is repeated.
        at: when it was accepted, Unix seconds.
        forked: the head of the thread that a fork made; None for other commands.
    """

    principal: str
    key: str
    digest: str
    turn: str | None
    offset: int
    at: float
    forked: Position | None = None


@value
class Kept:
    """A fold of the thread's records as it is kept beside the log, to be gone on with.

    Args:
        offset: of the last record in it.
        body: the states of the projections; a journal does not read it.
    """

    offset: int
    body: bytes


@value
class Cut:
    """What a truncation leaves of the history.

    Args:
        place: the last part of history that stays; turns behind it leave every read at once, and
            the disk at the next compaction. 0 clears. Records stay wherever they are, and of the
            turn that finalised the thread stays that it ended, and how.
        keep: the highest item number that stays of the part at `place`.
        items: how many items the transcript has left.
    """

    place: int
    keep: int
    items: int
