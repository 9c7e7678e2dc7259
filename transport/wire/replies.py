"""What replies carry, one class per command (`attach` is answered `attached` instead)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs
from attrs import field, frozen

from actors.core.effects import CancelOutcome
from actors.core.items import Item

from .client_messages import (
    Cancel,
    Command,
    Delete,
    Detach,
    End,
    Fork,
    History,
    Record,
    Submit,
    Threads,
    Truncate,
)
from .shapes import FLAG, NUMBER, TEXT, list_of, nullable, open_choice, whole

THREAD_STATES: Final = ("idle", "running", "queued", "failed")


@frozen
class SubmitReply:
    """A submit is durable.

    Args:
        turn: the turn that answers it.
        cursor: where the submit stands in the stream.
        duplicate: whether its key was used before; `turn` and `cursor` are that receipt's.
    """

    turn: str = field(validator=TEXT)
    cursor: str = field(validator=TEXT)
    duplicate: bool = field(validator=FLAG)


@frozen
class CancelReply:
    """A cancel is settled (I6).

    Args:
        turn: the turn that it met; null where none was running.
        outcome: what became of it.
        cursor: where the stream stands.
    """

    turn: str | None = field(validator=nullable(TEXT))
    outcome: str = field(validator=open_choice(CancelOutcome))
    cursor: str = field(validator=TEXT)


@frozen
class RecordReply:
    """A record is durable.

    Args:
        cursor: where it stands in the stream.
        duplicate: whether its key was used before.
    """

    cursor: str = field(validator=TEXT)
    duplicate: bool = field(validator=FLAG)


def _read_items(raw: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    return tuple(map(Item.from_json, raw))


@frozen
class HistoryReply:
    """A page of items.

    Args:
        items: oldest first.
        before: the id to page back from; null where nothing older is there.
    """

    items: Sequence[Item] = field(
        validator=list_of("items", {"$ref": "#/$defs/item"}), metadata={"read": _read_items}
    )
    before: str | None = field(validator=nullable(TEXT))


@frozen
class ThreadSummary:
    """A thread in a listing.

    Args:
        thread: the thread's id.
        state: one of `THREAD_STATES`.
        created_at: Unix seconds.
        active_at: Unix seconds of its last activity.
        cursor: its head.
        items: how many its transcript has.
    """

    thread: str = field(validator=TEXT)
    state: str = field(validator=open_choice(THREAD_STATES))
    created_at: float = field(validator=NUMBER)
    active_at: float = field(validator=NUMBER)
    cursor: str = field(validator=TEXT)
    items: int = field(validator=whole(0))


def _read_summaries(raw: Sequence[Mapping[str, Any]]) -> tuple[ThreadSummary, ...]:
    names = attrs.fields_dict(ThreadSummary)
    return tuple(ThreadSummary(**{name: summary[name] for name in names}) for summary in raw)


@frozen
class ThreadsReply:
    """A page of summaries.

    Args:
        threads: last activity first.
        after: pages on; null at the end.
    """

    threads: Sequence[ThreadSummary] = field(
        validator=list_of("summaries", {"$ref": "#/$defs/summary"}),
        metadata={"read": _read_summaries},
    )
    after: str | None = field(validator=nullable(TEXT))


@frozen
class TruncateReply:
    """A truncation is durable.

    Args:
        cursor: where it stands in the stream.
    """

    cursor: str = field(validator=TEXT)


@frozen
class ForkReply:
    """The new thread is there.

    Args:
        cursor: its head.
    """

    cursor: str = field(validator=TEXT)


@frozen
class EndReply:
    """The thread is ended.

    Args:
        existed: false where there was nothing to end.
    """

    existed: bool = field(validator=FLAG)


@frozen
class DeleteReply:
    """The thread is gone.

    Args:
        existed: false where there was nothing to delete.
    """

    existed: bool = field(validator=FLAG)


@frozen
class DetachReply:
    """Nothing more of the thread follows."""


ReplyBody: TypeAlias = (
    SubmitReply
    | CancelReply
    | RecordReply
    | HistoryReply
    | ThreadsReply
    | TruncateReply
    | ForkReply
    | EndReply
    | DeleteReply
    | DetachReply
)

REPLIES: Final[Mapping[type[Command], type[ReplyBody]]] = {
    Submit: SubmitReply,
    Cancel: CancelReply,
    Record: RecordReply,
    History: HistoryReply,
    Threads: ThreadsReply,
    Truncate: TruncateReply,
    Fork: ForkReply,
    End: EndReply,
    Delete: DeleteReply,
    Detach: DetachReply,
}
