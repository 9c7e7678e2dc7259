"""Events: the durable facts of a thread, each one class.

An event carries no place; `Entry` puts it at one. `TurnEnded` stands for all six terminal events,
because one turn has one ending and one piece of code writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from .items import Content
from .turn_lifecycle import TurnState
from .value import value


@value
class ThreadCreated:
    """The thread's first event."""


@value
class TurnSubmitted:
    """A message was accepted, and the turn that will answer it is queued.

    Args:
        turn: the new turn's id.
        item: the id of the message as an item.
        content: what was said.
        author: the principal who said it.
        key: the idempotency key it came under.
        metadata: the client's own, untouched.
        attachments: the client's own, untouched.
        supersedes: the turn that this one takes the place of; it goes to the head of the queue.
    """

    turn: str
    item: str
    content: Content
    author: str
    key: str | None = None
    metadata: Mapping[str, Any] | None = None
    attachments: Sequence[Any] | None = None
    supersedes: str | None = None


@value
class TurnStarted:
    """The turn runs.

    Args:
        turn: which turn.
        attempt: how often it was started, from 1; one above voids what the earlier attempt said.
    """

    turn: str
    attempt: int


@value
class TurnDelta:
    """A piece of text of one item; adjacent ones merge into one event over a range of offsets.

    Args:
        turn: whose item it is.
        item: the answer or reasoning that it adds to, which begins with its first piece.
        text: the piece.
        channel: `reasoning`; none for an answer.
    """

    turn: str
    item: str
    text: str
    channel: str | None = None


@value
class TurnItem:
    """A whole item of a turn: a tool call, a tool result, or the application's own kind.

    Args:
        turn: whose item it is.
        item: its id.
        kind: `tool_call`, `tool_result` or the application's own word.
        data: the fields of such an item; of an application's own kind, any JSON.
    """

    turn: str
    item: str
    kind: str
    data: Any


@value
class TurnEnded:
    """The one terminal event of a turn (I2); on the wire its type is `turn.<state>`.

    Args:
        turn: the turn that ended.
        state: one of `turn_lifecycle.ENDINGS`.
        item: the id of the marker that it shows; none for a completed turn and a rolled back one.
        reason: why, in a word.
        error: what class of error ended a failed turn.
        message: that error in a sentence, free of paths and tracebacks.
        by: the turn that superseded this one.
        rolled_back: the turn's items leave transcript and context.
        abandoned: the handler did not stop within its grace and was left alone.
    """

    turn: str
    state: TurnState
    item: str | None = None
    reason: str | None = None
    error: str | None = None
    message: str | None = None
    by: str | None = None
    rolled_back: bool = False
    abandoned: bool = False


@value
class Recorded:
    """An application's own fact, part of the thread's history (`record` on the wire).

    Args:
        item: the id that it has as an item of the history.
        kind: the application's own word for what it is.
        data: the fact.
        key: the idempotency key it came under.
        author: the principal whose key that is; none without a key, and in older files.
    """

    item: str
    kind: str
    data: Any
    key: str | None = None
    author: str | None = None


@value
class ThreadTruncated:
    """Everything after an item left the history.

    Args:
        after: the last item that stays; null where nothing does.
        items: how many items the transcript has left.
    """

    after: str | None
    items: int = 0


@value
class ThreadEnded:
    """The activation was closed on request; the history stays."""


@value
class ThreadDeleted:
    """The thread is gone; its id's next life has another epoch."""


@value
class UnknownEvent:
    """An event of a type that this version does not know; its offsets count all the same."""

    type: str
    fields: Mapping[str, Any]


Event: TypeAlias = (
    ThreadCreated
    | TurnSubmitted
    | TurnStarted
    | TurnDelta
    | TurnItem
    | TurnEnded
    | Recorded
    | ThreadTruncated
    | ThreadEnded
    | ThreadDeleted
    | UnknownEvent
)


@value
class Entry:
    """An event at its place.

    Args:
        offset: the first offset it covers; at least 1.
        to: the last one; equal to `offset` unless the event covers a range.
        at: when it was decided, Unix seconds.
        event: the fact itself.
    """

    offset: int
    to: int
    at: float
    event: Event


def turn_of(event: Event) -> str | None:
    """Return the turn that an event belongs to, or None where it belongs to the whole thread."""
    return getattr(event, "turn", None)
