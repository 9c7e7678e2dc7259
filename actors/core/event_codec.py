"""Entries to bytes and back: the one JSON form that the journal stores and the wire carries.

An entry is encoded once, when it is appended; the same bytes go to disk and to every viewer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import orjson
from cattrs import Converter
from cattrs.gen import make_dict_unstructure_fn, override

from ..errors import JournalCorrupt
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
from .json_values import trimmed
from .turn_lifecycle import ENDINGS, TurnState
from .value import value

TYPES: Final[Mapping[str, type]] = {
    "thread.created": ThreadCreated,
    "turn.submitted": TurnSubmitted,
    "turn.started": TurnStarted,
    "turn.delta": TurnDelta,
    "turn.item": TurnItem,
    "record": Recorded,
    "thread.truncated": ThreadTruncated,
    "thread.ended": ThreadEnded,
    "thread.deleted": ThreadDeleted,
}
TAGS: Final[Mapping[type, str]] = {cls: tag for tag, cls in TYPES.items()}
_ENDING_TAGS: Final = {f"turn.{state}": state for state in ENDINGS}
_PLACE: Final = ("offset", "to", "type", "at")

_converter: Final = Converter()
_names: Final[Mapping[type, frozenset[str]]] = {
    cls: frozenset(a.name for a in attrs.fields(cls)) for cls in (*TYPES.values(), TurnEnded)
}
_to_fields: Final[dict[type, Callable[[Any], dict[str, Any]]]] = {
    **{
        cls: make_dict_unstructure_fn(cls, _converter, _cattrs_omit_if_default=True)
        for cls in TYPES.values()
    },
    TurnEnded: make_dict_unstructure_fn(
        TurnEnded, _converter, _cattrs_omit_if_default=True, state=override(omit=True)
    ),
    UnknownEvent: lambda event: dict(event.fields),
}


@value
class Row:
    """An entry as bytes: what the journal stores, the tail keeps and the wire joins into frames.

    Args:
        offset: the first offset covered.
        to: the last one.
        body: the entry as one JSON object in UTF-8.
    """

    offset: int
    to: int
    body: bytes


def encode(entry: Entry) -> Row:
    """Turn an entry into its row.

    Raises:
        TypeError: where the application's own data has no JSON form.
    """
    return Row(entry.offset, entry.to, trimmed(orjson.dumps(entry_to_json(entry))))


def decode(row: Row) -> Entry:
    """Read an entry back from its row.

    Raises:
        JournalCorrupt: where the bytes are no entry, or not the one of that place (I16).
    """
    try:
        entry = entry_from_json(orjson.loads(row.body))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise JournalCorrupt(f"the event at offset {row.offset} cannot be read") from exc
    if (entry.offset, entry.to) != (row.offset, row.to):
        raise JournalCorrupt(f"the event at offset {row.offset} says it is at {entry.offset}")
    return entry


def event_type(event: Event) -> str:
    """Return the event's type as the wire names it."""
    tag = TAGS.get(type(event))
    if tag is not None:
        return tag
    if isinstance(event, TurnEnded):
        return f"turn.{event.state}"
    assert isinstance(event, UnknownEvent)  # the one that is left
    return event.type


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """Return the entry as the object that `protocol` describes."""
    told: dict[str, Any] = {"offset": entry.offset}
    if entry.to != entry.offset:
        told["to"] = entry.to
    event = entry.event
    told["type"] = TAGS.get(type(event)) or event_type(event)
    told["at"] = entry.at
    told |= _to_fields[type(event)](event)
    return told


def entry_from_json(raw: Mapping[str, Any]) -> Entry:
    """Read an entry from its object; unknown types and fields are kept apart or dropped.

    Raises:
        KeyError, TypeError: where a field is missing or of the wrong sort.
    """
    offset = raw["offset"]
    fields = {name: value for name, value in raw.items() if name not in _PLACE}
    return Entry(offset, raw.get("to", offset), raw["at"], _event_from(raw["type"], fields))


def _event_from(tag: str, fields: dict[str, Any]) -> Event:
    if tag in _ENDING_TAGS:
        return TurnEnded(state=TurnState(_ENDING_TAGS[tag]), **_known(TurnEnded, fields))
    cls = TYPES.get(tag)
    if cls is None:
        return UnknownEvent(tag, fields)
    event: Event = cls(**_known(cls, fields))
    return event


def _known(cls: type, fields: Mapping[str, Any]) -> dict[str, Any]:
    names = _names[cls]
    return {name: value for name, value in fields.items() if name in names}
