"""Values for every field of every message class, drawn from the schemas that the shapes state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from hypothesis import strategies as st

from actors.core.events import Entry, TurnDelta, TurnEnded, TurnStarted
from actors.core.items import Item
from actors.core.turn_lifecycle import ENDINGS
from transport.wire.codec import BadMessage, decode_client
from transport.wire.layout import shape_of
from transport.wire.messages import (
    CLIENT_MESSAGES,
    REPLIES,
    SERVER_MESSAGES,
    PresentPrincipal,
    SnapshotQueued,
    SnapshotTurn,
    ThreadSummary,
)
from transport.wire.shapes import ANY, CONTENT, LIST, OBJECT, Shape

# What JSON and UTF-8 can carry: no lone surrogate.
characters = st.characters(exclude_categories=("Cs",))
strings = st.text(characters, max_size=12)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=8,
)
json_objects = st.dictionaries(strings, json_values, max_size=3)
own_fields = st.dictionaries(st.sampled_from(["text", "data", "author"]), json_values)

items = st.builds(
    Item,
    item=strings,
    kind=strings,
    at=st.floats(0, 1e10),
    turn=st.none() | strings,
    body=own_fields,
)
parts = st.builds(lambda words: {"type": "text", "text": words}, strings) | st.builds(
    lambda word, extra: {**extra, "type": f"x-{word}"}, strings, json_objects
)
contents = strings | st.lists(parts, max_size=3)

events = st.one_of(
    st.builds(TurnStarted, strings, st.integers(1, 9)),
    st.builds(TurnDelta, strings, strings, strings),
    st.builds(TurnEnded, strings, st.sampled_from(sorted(ENDINGS))),
)
entries = st.builds(
    lambda offset, width, at, event: Entry(offset, offset + width, at, event),
    st.integers(1, 10**6),
    st.integers(0, 9),
    st.floats(0, 1e10),
    events,
)

BY_NAME: Mapping[tuple[str, str], st.SearchStrategy[Any]] = {
    ("Snapshot", "items"): st.lists(items, max_size=3).map(tuple),
    ("Snapshot", "turn"): st.none()
    | st.builds(SnapshotTurn, strings, st.integers(1, 9), st.lists(items, max_size=2).map(tuple)),
    ("Snapshot", "queue"): st.lists(
        st.builds(SnapshotQueued, strings, st.lists(items, max_size=2).map(tuple)), max_size=2
    ).map(tuple),
    ("Presence", "attached"): st.lists(
        st.builds(PresentPrincipal, strings, st.integers(1, 9)), max_size=3
    ).map(tuple),
    ("Events", "events"): st.lists(entries, max_size=4).map(tuple),
    ("ErrorMessage", "details"): st.dictionaries(st.just("turn"), strings),
    ("Reply", "body"): st.dictionaries(st.sampled_from(["turn", "cursor"]), strings),
    ("HistoryReply", "items"): st.lists(items, max_size=3).map(tuple),
}


def field_values(cls: type, a: attrs.Attribute[Any]) -> st.SearchStrategy[Any]:
    """Return what a field may hold, its absence included."""
    own = BY_NAME.get((cls.__name__, a.name))
    if own is None:
        shape = shape_of(a)
        assert shape is not None, f"{cls.__name__}.{a.name} has neither a shape nor a strategy"
        own = shape_values(shape)
    made = isinstance(a.default, attrs.Factory)
    return own if made or a.default is attrs.NOTHING else own | st.just(a.default)


def shape_values(shape: Shape) -> st.SearchStrategy[Any]:
    known = [
        (ANY, json_values),
        (CONTENT, contents),
        (LIST, st.lists(json_values, max_size=3)),
        (OBJECT, json_objects),
    ]
    for special, values in known:
        if shape is special:
            return values
    return schema_values(shape.schema)


def schema_values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    match schema:
        case {"anyOf": [first, second]}:
            return schema_values(first) | schema_values(second)
        case {"enum": words}:
            return st.sampled_from(words)
        case {"type": "null"}:
            return st.none()
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "number"}:
            return st.floats(0, 1e9)
        case {"type": "integer", "minimum": least}:
            return st.integers(least, schema.get("maximum", 10**6))
        case {"type": "string", "pattern": expression}:
            return st.from_regex(expression.removesuffix("$") + r"\Z")
        case {"type": "string"}:
            longest = min(schema.get("maxLength", 12), 200)
            return st.text(characters, min_size=schema.get("minLength", 0), max_size=longest)
    raise AssertionError(f"no strategy for {schema}")


def instances(cls: type) -> st.SearchStrategy[Any]:
    """Return a strategy for valid messages of a class."""
    if cls.__name__ == "ThreadsReply":
        summaries = st.lists(instances(ThreadSummary), max_size=2).map(tuple)
        return st.builds(cls, threads=summaries, after=st.none() | strings)
    return st.builds(cls, **{a.name: field_values(cls, a) for a in attrs.fields(cls)})


client_messages = st.one_of([instances(cls) for cls in CLIENT_MESSAGES.values()])
server_messages = st.one_of([instances(cls) for cls in SERVER_MESSAGES.values()])
replies = {command: instances(reply) for command, reply in REPLIES.items()}


def refusal(text: str) -> BadMessage | None:
    """Decode a client's text; return how it was refused, or None."""
    try:
        decode_client(text)
    except BadMessage as exc:
        return exc
    return None
