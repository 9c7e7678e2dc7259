"""Hypothesis strategies for wire messages: valid ones of every type, and broken ones.

Values for every field of every message class are drawn from the schemas that the shapes state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
import orjson
from hypothesis import strategies as st

from actors.core.events import Entry, TurnDelta, TurnEnded, TurnStarted
from actors.core.items import Item
from actors.core.turn_lifecycle import ENDINGS
from actors.limits import DEFAULT_LIMITS, Limits
from actors.testing.strategies import characters, json_values, strings

from ..wire.client_codec import encode_client
from ..wire.layout import shape_of
from ..wire.messages import (
    CLIENT_MESSAGES,
    REPLIES,
    SERVER_MESSAGES,
    PresentPrincipal,
    SnapshotQueued,
    SnapshotTurn,
    ThreadSummary,
)
from ..wire.shapes import ANY, CONTENT, LIST, OBJECT, Shape

_json = json_values()
_json_objects = st.dictionaries(strings, _json, max_size=3)
_own_fields = st.dictionaries(st.sampled_from(["text", "data", "author"]), _json)

_items = st.builds(
    Item,
    item=strings,
    kind=strings,
    at=st.floats(0, 1e10),
    turn=st.none() | strings,
    body=_own_fields,
)
_parts = st.builds(lambda words: {"type": "text", "text": words}, strings) | st.builds(
    lambda word, extra: {**extra, "type": f"x-{word}"}, strings, _json_objects
)
_contents = strings | st.lists(_parts, max_size=3)

_events = st.one_of(
    st.builds(TurnStarted, strings, st.integers(1, 9)),
    st.builds(TurnDelta, strings, strings, strings),
    st.builds(TurnEnded, strings, st.sampled_from(sorted(ENDINGS))),
)
# What a journal and a stream have between two positions.
entries: Final = st.builds(
    lambda offset, width, at, event: Entry(offset, offset + width, at, event),
    st.integers(1, 10**6),
    st.integers(0, 9),
    st.floats(0, 1e10),
    _events,
)

_BY_NAME: Mapping[tuple[str, str], st.SearchStrategy[Any]] = {
    ("Snapshot", "items"): st.lists(_items, max_size=3).map(tuple),
    ("Snapshot", "turn"): st.none()
    | st.builds(SnapshotTurn, strings, st.integers(1, 9), st.lists(_items, max_size=2).map(tuple)),
    ("Snapshot", "queue"): st.lists(
        st.builds(SnapshotQueued, strings, st.lists(_items, max_size=2).map(tuple)), max_size=2
    ).map(tuple),
    ("Presence", "attached"): st.lists(
        st.builds(PresentPrincipal, strings, st.integers(1, 9)), max_size=3
    ).map(tuple),
    ("Events", "events"): st.lists(entries, max_size=4).map(tuple),
    ("ErrorMessage", "details"): st.dictionaries(st.just("turn"), strings),
    ("Reply", "body"): st.dictionaries(st.sampled_from(["turn", "cursor"]), strings),
    ("HistoryReply", "items"): st.lists(_items, max_size=3).map(tuple),
}


def _field_values(cls: type, a: attrs.Attribute[Any]) -> st.SearchStrategy[Any]:
    """Return what a field may hold, its absence included."""
    own = _BY_NAME.get((cls.__name__, a.name))
    if own is None:
        shape = shape_of(a)
        assert shape is not None, f"{cls.__name__}.{a.name} has neither a shape nor a strategy"
        own = _shape_values(shape)
    made = hasattr(a.default, "factory")
    return own if made or a.default is attrs.NOTHING else own | st.just(a.default)


def _shape_values(shape: Shape) -> st.SearchStrategy[Any]:
    known = [
        (ANY, _json),
        (CONTENT, _contents),
        (LIST, st.lists(_json, max_size=3)),
        (OBJECT, _json_objects),
    ]
    for special, values in known:
        if shape is special:
            return values
    return _schema_values(shape.schema)


def _schema_values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    match schema:
        case {"anyOf": [first, second]}:
            return _schema_values(first) | _schema_values(second)
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


def _instances(cls: type) -> st.SearchStrategy[Any]:
    """Return a strategy for valid messages of a class."""
    if cls.__name__ == "ThreadsReply":
        summaries = st.lists(_instances(ThreadSummary), max_size=2).map(tuple)
        return st.builds(cls, threads=summaries, after=st.none() | strings)
    return st.builds(cls, **{a.name: _field_values(cls, a) for a in attrs.fields(cls)})


def client_messages(*classes: type) -> st.SearchStrategy[Any]:
    """Draw valid messages of a client: of these classes, or of every one."""
    return st.one_of([_instances(cls) for cls in classes or CLIENT_MESSAGES.values()])


def server_messages(*classes: type) -> st.SearchStrategy[Any]:
    """Draw valid messages of a server: of these classes, or of every one."""
    return st.one_of([_instances(cls) for cls in classes or SERVER_MESSAGES.values()])


def replies_to(command: type) -> st.SearchStrategy[Any]:
    """Draw bodies of the reply to a command."""
    return _instances(REPLIES[command])


def broken_client_messages(limits: Limits = DEFAULT_LIMITS) -> st.SearchStrategy[str]:
    """Draw what a server has to refuse, each a valid message but for one thing.

    Unknown types and fields, values of the wrong sort, fields that are missing, text that is no
    JSON, and what is nested too deep or too long.

    Args:
        limits: what is too deep and too long.
    """
    valid = client_messages().map(encode_client).filter(lambda frame: isinstance(frame, str))
    return st.builds(
        lambda text, damage: damage(text, limits), valid, st.sampled_from(list(_DAMAGES))
    )


def _raw(text: str) -> dict[str, Any]:
    raw: dict[str, Any] = orjson.loads(text)
    return raw


def _with(text: str, **fields: Any) -> str:
    return json.dumps(_raw(text) | fields)


_DAMAGES: Final[tuple[Callable[[str, Limits], str], ...]] = (
    lambda text, limits: _with(text, type="no such type"),
    lambda text, limits: _with(text, no_such_field=1),
    lambda text, limits: _with(text, id=7),
    lambda text, limits: json.dumps({k: v for k, v in _raw(text).items() if k != "type"}),
    lambda text, limits: json.dumps([_raw(text)]),
    lambda text, limits: text[:-1],
    lambda text, limits: text[:-1] + ',"id":NaN}',
    lambda text, limits: _with(text, id="x" * 65),
    lambda text, limits: _with(text, type=["ping"]),
    lambda text, limits: text[:-1] + f',"id":{"[" * limits.json_depth}{"]" * limits.json_depth}}}',
    lambda text, limits: text + " " * limits.command_bytes,
)
