"""A thread's stream, off the wire, as the batches that subscribers know from the runtime itself."""

from __future__ import annotations

from typing import Final, TypeAlias

from actors.core.event_codec import encode
from actors.core.position import Position, parse_cursor
from actors.core.resume import Mode
from actors.delivery.batches import (
    Attendee,
    Batch,
    CaughtUp,
    Detached,
    Events,
    Presence,
    Roll,
    Snapshot,
    TurnItems,
)
from actors.errors import PositionUnrecoverable, RemoteProtocolError

from .wire import server_messages as wire

BatchMessage: TypeAlias = (
    wire.Snapshot | wire.Events | wire.CaughtUp | wire.Presence | wire.Detached
)

# Where a stream stopped that never began; like the empty cursor on the wire, no server resumes it.
_NOWHERE: Final = Position(0, 0)


def as_batch(message: BatchMessage, attached: wire.Attached | None, at: str) -> Batch:
    """Return a message of a thread's stream as a batch.

    Args:
        message: what the server said.
        attached: the answer to the attach, where the snapshot is the one that it announced.
        at: the cursor of what came before, for what has none of its own; empty where nothing did.

    Raises:
        RemoteProtocolError: where its cursor, or its data, is none that this version can read.
    """
    thread = message.thread
    try:
        cursor = at if isinstance(message, wire.Presence) else message.cursor
        position = parse_cursor(cursor) if cursor else _NOWHERE
        match message:
            case wire.Snapshot():
                return _snapshot(message, position, attached)
            case wire.Events():
                return Events(thread, tuple(map(encode, message.events)), position)
            case wire.CaughtUp():
                return CaughtUp(thread, position)
            case wire.Presence():
                return Presence(thread, position, _roll(message))
            case wire.Detached():
                return Detached(thread, position, message.reason)
    except (PositionUnrecoverable, TypeError, ValueError) as exc:
        raise RemoteProtocolError(f"{thread}: cannot read what the server sent") from exc


def _roll(message: wire.Presence) -> Roll:
    attendees = (Attendee(who.principal, who.count) for who in message.attached)
    return Roll(tuple(attendees), message.total)


def _snapshot(
    message: wire.Snapshot, position: Position, attached: wire.Attached | None
) -> Snapshot:
    live = message.turn
    return Snapshot(
        thread=message.thread,
        position=position,
        items=tuple(message.items),
        before=message.before,
        turn=TurnItems(live.turn, live.attempt, tuple(live.items)) if live is not None else None,
        queue=tuple(TurnItems(queued.turn, 0, tuple(queued.items)) for queued in message.queue),
        attributes=message.attributes,
        mode=Mode.RESET if attached is not None and attached.mode == Mode.RESET else Mode.SNAPSHOT,
        reason=attached.reason if attached is not None else None,
    )
