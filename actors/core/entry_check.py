"""Whether an entry from outside may follow in a thread: what `apply` takes for granted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import attrs

from .events import (
    Entry,
    Event,
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
    UnknownEvent,
)
from .head import Life
from .items import RESERVED_KINDS, check_tool_item, is_content, item_owner
from .turn_lifecycle import TurnState

if TYPE_CHECKING:
    from .thread_state import ThreadState


def check_entry(state: ThreadState, entry: Entry) -> None:
    """Check an entry before `apply`, which sees to the order of offsets and the turns' states.

    Args:
        state: the thread, as far as it came.
        entry: what is to follow, with fields of any type.

    Raises:
        ValueError: it cannot follow; the text says why, in a sentence.
    """
    _check_place(state, entry)
    _check_fields(entry.event)
    _check_items(entry.event)
    _check_life(state, entry.event)


def _check_place(state: ThreadState, entry: Entry) -> None:
    if not _is_whole(entry.offset) or not _is_whole(entry.to) or entry.to < entry.offset:
        raise ValueError(f"{entry.offset!r} to {entry.to!r} is no range of offsets")
    if entry.offset != state.offset + 1:
        raise ValueError(f"offset {entry.offset} cannot follow {state.offset}")
    if not isinstance(entry.at, int | float) or not math.isfinite(entry.at):
        raise ValueError("`at` is no time")


def _check_life(state: ThreadState, event: Event) -> None:
    if (state.life is Life.ABSENT) != isinstance(event, ThreadCreated):
        raise ValueError("a thread begins with `thread.created`, and has no second one")
    if isinstance(event, ThreadDeleted):
        raise ValueError("a deleted thread has no events")
    if isinstance(event, ThreadEnded | ThreadTruncated) and state.live is not None:
        raise ValueError(f"turn {state.live.turn} is still running")
    # Only what a truncation left is ever told, so that there is nothing for it to take.
    if isinstance(event, ThreadTruncated) and event.items != state.transcript_items:
        raise ValueError("what a truncation takes away must not be there")


def _check_items(event: Event) -> None:
    item = getattr(event, "item", None)
    if item is None or isinstance(event, Recorded | UnknownEvent):
        return
    owner, _ = item_owner(item)
    if owner != getattr(event, "turn", None):
        raise ValueError(f"item {item} is not of this turn")
    if not isinstance(event, TurnItem):
        return
    if event.kind in RESERVED_KINDS:
        raise ValueError(f"no handler makes a {event.kind}")
    check_tool_item(event.kind, event.data)


def _check_fields(event: Event) -> None:
    if isinstance(event, UnknownEvent):
        return
    for name, value in attrs.asdict(event, recurse=False).items():
        shape = _SHAPES[type(event)].get(name)
        if shape is not None and not shape(value):
            raise ValueError(f"`{name}` is of the wrong sort")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_text_or_none(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_object_or_none(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _is_list_or_none(value: Any) -> bool:
    return value is None or isinstance(value, list)


Shape = Callable[[Any], bool]

_SHAPES: Final[Mapping[type, Mapping[str, Shape]]] = {
    ThreadCreated: {},
    TurnSubmitted: {
        "turn": _is_text,
        "item": _is_text,
        "content": is_content,
        "author": _is_text,
        "key": _is_text_or_none,
        "metadata": _is_object_or_none,
        "attachments": _is_list_or_none,
        "supersedes": _is_text_or_none,
    },
    TurnStarted: {"turn": _is_text, "attempt": _is_whole},
    TurnDelta: {"turn": _is_text, "item": _is_text, "text": _is_text, "channel": _is_text_or_none},
    TurnItem: {"turn": _is_text, "item": _is_text, "kind": _is_text},
    TurnEnded: {
        "turn": _is_text,
        "state": lambda state: isinstance(state, TurnState),
        "item": _is_text_or_none,
        "reason": _is_text_or_none,
        "error": _is_text_or_none,
        "message": _is_text_or_none,
        "by": _is_text_or_none,
        "rolled_back": _is_flag,
        "abandoned": _is_flag,
    },
    Recorded: {
        "item": _is_text,
        "kind": _is_text,
        "key": _is_text_or_none,
        "author": _is_text_or_none,
    },
    ThreadTruncated: {"after": _is_text_or_none, "items": _is_whole},
    ThreadEnded: {},
    ThreadDeleted: {},
}
