"""Reading what a server says of a thread: offsets, endings, texts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, TypeAlias

from .check import Violation

Message: TypeAlias = "dict[str, Any]"

OF_THREADS: Final = frozenset({"attached", "snapshot", "events", "caught_up", "detached"})
ENDINGS: Final = frozenset(
    f"turn.{state}"
    for state in ("completed", "cancelled", "failed", "interrupted", "superseded", "timed_out")
)


def is_ending(event: Message) -> bool:
    """Say whether an event ends a turn."""
    return event.get("type") in ENDINGS


def endings_of(events: Iterable[Message]) -> list[tuple[str, str]]:
    """Return (type, turn) of the terminal events."""
    return [(event["type"], event["turn"]) for event in events if is_ending(event)]


def last_of(event: Message) -> int:
    """Return the last offset that an event covers."""
    last = event.get("to", event.get("offset"))
    if type(last) is not int:
        raise Violation("an event with a whole number as its offset", event, "1")
    return last


def split_cursor(cursor: object) -> tuple[str, int]:
    """Return a cursor's epoch and offset. A client would not look; a check may."""
    epoch, dot, offset = cursor.partition(".") if isinstance(cursor, str) else ("", "", "")
    if not (epoch and dot and offset.isascii() and offset.isdigit()):
        raise Violation('a cursor "<epoch>.<offset>"', cursor, "2")
    return epoch, int(offset)


def offset_of(cursor: object) -> int:
    """Return the offset in a cursor."""
    return split_cursor(cursor)[1]


def epoch_of(cursor: object) -> str:
    """Return the epoch in a cursor."""
    return split_cursor(cursor)[0]


def contiguous(events: Sequence[Message], first: int, rule: str = "1") -> None:
    """Go on where events begin at an offset, leave none out and repeat none.

    Raises:
        Violation: they do not.
    """
    if events and events[0].get("offset") != first:
        raise Violation(f"events from offset {first} on", events[0], rule)
    for event in events:
        if last_of(event) < event["offset"]:
            raise Violation("a range that does not end before it begins", event, rule)
    for before, after in pairwise(events):
        if after["offset"] != last_of(before) + 1:
            raise Violation(f"offset {last_of(before) + 1} next", after, rule)


def said(events: Iterable[Message], turn: str) -> str:
    """Return the text that a turn's deltas make, without its reasoning."""
    return "".join(
        event["text"]
        for event in events
        if event["type"] == "turn.delta" and event.get("turn") == turn and "channel" not in event
    )


def numbers(count: int) -> str:
    """Return what the handler's `say` says."""
    return "".join(f"{number} " for number in range(count))


def kinds_of(messages: Iterable[Message]) -> list[str]:
    """Return the types of messages or events."""
    return [message["type"] for message in messages]
