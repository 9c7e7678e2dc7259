"""What a subscription yields: a snapshot, events, that it caught up, who is there, its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import define, field, frozen

from ..core.event_codec import Row, decode
from ..core.events import Recorded
from ..core.folds import Fact
from ..core.items import Item
from ..core.position import Position
from ..core.resume import Mode

if TYPE_CHECKING:
    from ..core.events import Entry


@frozen
class TurnItems:
    """A live or queued turn in a snapshot.

    Args:
        turn: its id.
        attempt: how often it was started, from 1; 0 while it is queued.
        items: what it has said so far, its message first.
    """

    turn: str
    attempt: int
    items: tuple[Item, ...]


@frozen(kw_only=True)
class Snapshot:
    """A thread at a position: authoritative, what was there before is to be dropped.

    Args:
        thread: the thread's id.
        position: the place it shows; events go on from there.
        items: the newest items that belong to no live or queued turn, in turn order.
        before: pages back with `history`; None where nothing older is there.
        turn: the live turn with what it has said so far.
        queue: the turns that wait, next one first.
        attributes: the thread's public projections.
        mode: `reset` where the cursor was no good at all, otherwise `snapshot`.
        reason: what was wrong with the cursor.
    """

    thread: str
    position: Position
    items: tuple[Item, ...] = ()
    before: str | None = None
    turn: TurnItems | None = None
    queue: tuple[TurnItems, ...] = ()
    attributes: Mapping[str, Any] = field(factory=dict)
    mode: Mode = Mode.SNAPSHOT
    reason: str | None = None

    @property
    def cursor(self) -> str:
        """The cursor to come back with."""
        return self.position.cursor()


@define(eq=False)
class Events:
    """A contiguous run of events, shared by all who read the same run (I3).

    Args:
        thread: the thread's id.
        rows: the events as bytes; at least one.
        position: the place after the last of them.
    """

    thread: str
    rows: tuple[Row, ...]
    position: Position
    _made: dict[Callable[[Events], bytes], bytes] = field(factory=dict, init=False, repr=False)

    @property
    def cursor(self) -> str:
        """The cursor to come back with."""
        return self.position.cursor()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The events, decoded anew each time."""
        return tuple(decode(row) for row in self.rows)

    def once(self, make: Callable[[Events], bytes]) -> bytes:
        """Return what `make` makes of this, made once for all who share it.

        Args:
            make: a function of a module; what it made is kept under it.
        """
        made = self._made.get(make)
        if made is None:
            made = self._made[make] = make(self)
        return made


@frozen
class CaughtUp:
    """The head as it was at attach has been delivered; comes once for each attach.

    Args:
        thread: the thread's id.
        position: that head.
    """

    thread: str
    position: Position

    @property
    def cursor(self) -> str:
        """The cursor to come back with."""
        return self.position.cursor()


@frozen
class Detached:
    """Nothing more follows, and the cursor stays good.

    Args:
        thread: the thread's id.
        position: where the stream stopped.
        reason: `requested`, `ended`, `deleted`, `slow` or `failed`.
    """

    thread: str
    position: Position
    reason: str

    @property
    def cursor(self) -> str:
        """The cursor to come back with."""
        return self.position.cursor()


@frozen
class Attendee:
    """A principal that is attached.

    Args:
        principal: its name.
        count: its attachments, at least 1.
    """

    principal: str
    count: int


@frozen
class Roll:
    """Who is attached.

    Args:
        attendees: longest first, at most `limits.presence_principals`.
        total: how many principals there are in all.
    """

    attendees: tuple[Attendee, ...]
    total: int


@frozen
class Presence:
    """Who is attached now: ephemeral, of a kind that opted in. Only the newest one counts.

    Args:
        thread: the thread's id.
        position: where the reader stands; it does not move.
        roll: who is there.
    """

    thread: str
    position: Position
    roll: Roll

    @property
    def cursor(self) -> str:
        """The cursor to come back with."""
        return self.position.cursor()


Batch: TypeAlias = Snapshot | Events | CaughtUp | Presence | Detached


def facts_of(batch: Batch) -> tuple[Fact, ...]:
    """Return the records that a batch shows, oldest first: of a snapshot, or among events.

    A reader that is given another snapshot is shown some of them again, with the same `item`.
    """
    if isinstance(batch, Snapshot):
        records = (item for item in batch.items if item.kind == "record")
        return tuple(Fact(i.item, i.body["record"], i.body["data"], i.at) for i in records)
    entries = batch.entries if isinstance(batch, Events) else ()
    return tuple(
        Fact(entry.event.item, entry.event.kind, entry.event.data, entry.at)
        for entry in entries
        if isinstance(entry.event, Recorded)
    )
