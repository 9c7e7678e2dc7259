"""What a reader of a thread is shown: batches as messages, and as the text of their frames."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Final

from actors import (
    CaughtUp,
    Detached,
    Events,
    JournalCorrupt,
    JournalError,
    Presence,
    Rejected,
    Snapshot,
    TurnItems,
)

from .frames import SharedText
from .wire import server_messages as wire
from .wire.codec import encode_server, events_frame

if TYPE_CHECKING:
    from actors.delivery.batches import Batch

_BODY: Final = attrgetter("body")


def frame_of(batch: Batch) -> bytes:
    """Return the text of a batch's frame; of events it is made once for all who share them."""
    if isinstance(batch, Events):
        return batch.once(events_frame_of)
    return encode_server(message_of(batch))


def message_of(batch: Snapshot | CaughtUp | Presence | Detached) -> wire.StreamMessage:
    """Return a batch that is no events as clients are shown it."""
    match batch:
        case Snapshot():
            return snapshot_message(batch)
        case Presence():
            return _presence(batch)
        case CaughtUp(thread=thread):
            return wire.CaughtUp(thread, batch.cursor)
        case Detached(thread=thread, reason=reason):
            return wire.Detached(thread, batch.cursor, reason)


def events_frame_of(events: Events) -> SharedText:
    """Return the text of the frame of events."""
    bodies = map(_BODY, events.rows)
    return SharedText(events_frame(events.thread, bodies, events.position.cursor()))


def snapshot_message(snapshot: Snapshot) -> wire.Snapshot:
    """Return a snapshot as clients are shown it."""
    return wire.Snapshot(
        thread=snapshot.thread,
        cursor=snapshot.cursor,
        items=snapshot.items,
        before=snapshot.before,
        turn=_live(snapshot.turn),
        queue=tuple(wire.SnapshotQueued(turn.turn, turn.items) for turn in snapshot.queue),
        attributes=snapshot.attributes,
    )


def _presence(presence: Presence) -> wire.Presence:
    roll = presence.roll
    attached = tuple(wire.PresentPrincipal(who.principal, who.count) for who in roll.attendees)
    return wire.Presence(presence.thread, attached, roll.total)


def _live(turn: TurnItems | None) -> wire.SnapshotTurn | None:
    return None if turn is None else wire.SnapshotTurn(turn.turn, turn.attempt, turn.items)


def as_rejected(failure: Rejected | JournalError) -> Rejected:
    """Return a failed read as the refusal that a client is told; it says nothing of the store."""
    if isinstance(failure, Rejected):
        return failure
    if isinstance(failure, JournalCorrupt):
        return Rejected("thread_failed", "this thread's history is damaged and was set aside")
    return Rejected("journal_unavailable", "the journal cannot be read at present")
