"""Entries to bytes and back: what was written is read, and nothing else passes for it."""

from __future__ import annotations

from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.core import events
from actors.core.event_codec import (
    TYPES,
    Row,
    decode,
    encode,
    entry_from_json,
    entry_to_json,
    event_type,
)
from actors.core.events import (
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
from actors.core.turn_lifecycle import ENDINGS
from actors.errors import JournalCorrupt

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
CONTENT = TEXT | st.lists(st.builds(lambda more: {"type": "text", **more}, OBJECT), max_size=2)
MAYBE = st.none() | TEXT
KNOWN: st.SearchStrategy[Event] = st.one_of(
    st.just(ThreadCreated()),
    st.builds(
        TurnSubmitted,
        turn=TEXT,
        item=TEXT,
        content=CONTENT,
        author=TEXT,
        key=MAYBE,
        metadata=st.none() | OBJECT,
        attachments=st.none() | st.lists(JSON, max_size=2),
        supersedes=MAYBE,
    ),
    st.builds(TurnStarted, turn=TEXT, attempt=st.integers(1, 9)),
    st.builds(TurnDelta, turn=TEXT, item=TEXT, text=TEXT, channel=MAYBE),
    st.builds(TurnItem, turn=TEXT, item=TEXT, kind=TEXT, data=JSON),
    st.builds(
        TurnEnded,
        turn=TEXT,
        state=st.sampled_from(sorted(ENDINGS)),
        item=MAYBE,
        reason=MAYBE,
        error=MAYBE,
        message=MAYBE,
        by=MAYBE,
        rolled_back=st.booleans(),
        abandoned=st.booleans(),
    ),
    st.builds(Recorded, item=TEXT, kind=TEXT, data=JSON, key=MAYBE),
    st.builds(ThreadTruncated, after=MAYBE, items=st.integers(0, 99)),
    st.just(ThreadEnded()),
    st.just(ThreadDeleted()),
)
FOREIGN = st.builds(
    UnknownEvent,
    type=st.from_regex(r"future\.[a-z]{1,8}", fullmatch=True),
    fields=st.dictionaries(st.sampled_from(["turn", "x", "y"]), JSON),
)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    offset = draw(st.integers(1, 2**40))
    to = offset + draw(st.integers(0, 100))
    return Entry(offset, to, draw(st.floats(0, 4e9)), draw(KNOWN | FOREIGN))


@given(entries())
def test_round_trip(entry: Entry) -> None:
    row = encode(entry)
    assert (row.offset, row.to) == (entry.offset, entry.to)
    assert decode(row) == entry
    assert encode(decode(row)) == row


@given(entries())
def test_the_json_has_the_shape_of_the_protocol(entry: Entry) -> None:
    """Rule 1 of the protocol: `to` only on a range; terminal types carry no `state` field."""
    raw = orjson.loads(encode(entry).body)
    assert next(iter(raw)) == "offset"
    assert raw["type"] == event_type(entry.event)
    assert ("to" in raw) is (entry.to != entry.offset)
    if isinstance(entry.event, TurnEnded):
        assert "state" not in raw
        assert raw["type"] == f"turn.{entry.event.state}"


@given(entries(), st.sampled_from(["extra", "offset2"]), JSON)
def test_unknown_fields_of_known_events_are_dropped(entry: Entry, name: str, value: Any) -> None:
    """A log that a newer version wrote is still read."""
    raw = entry_to_json(entry)
    if isinstance(entry.event, UnknownEvent):
        return
    assert entry_from_json({**raw, name: value}) == entry


def test_every_event_class_has_one_type() -> None:
    classes = {
        cls
        for cls in vars(events).values()
        if isinstance(cls, type) and attrs.has(cls) and cls.__module__ == events.__name__
    }
    assert classes - {Entry, UnknownEvent, TurnEnded} == set(TYPES.values())


ROW = encode(Entry(5, 7, 1.0, TurnDelta("a", "a.1", "hello")))
DAMAGE = {
    "no JSON": Row(5, 7, ROW.body[:-2]),
    "no UTF-8": Row(5, 7, ROW.body.replace(b"hello", b"\xff\xfe")),
    "no object": Row(5, 7, b"[1,2]"),
    "nothing": Row(5, 7, b""),
    "a number": Row(5, 7, b"5"),
    "no type": Row(5, 7, b'{"offset":5,"to":7,"at":1.0}'),
    "a type that is no text": Row(5, 7, b'{"offset":5,"to":7,"type":[],"at":1.0}'),
    "a field missing": Row(5, 7, b'{"offset":5,"to":7,"type":"turn.delta","at":1.0,"turn":"a"}'),
    "another place": Row(6, 8, ROW.body),
    "another width": Row(5, 6, ROW.body),
    "an offset that is a text": Row(5, 5, b'{"offset":"5","type":"thread.ended","at":1.0}'),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_never_read_as_an_event(name: str) -> None:
    """I16."""
    with pytest.raises(JournalCorrupt):
        decode(DAMAGE[name])


@given(st.binary(max_size=40) | st.builds(orjson.dumps, JSON))
def test_no_bytes_raise_anything_else(body: bytes) -> None:
    """I16."""
    with pytest.raises(JournalCorrupt):
        decode(Row(5, 7, body))
