"""What may follow in the events of a thread that comes in, and what may not."""

from __future__ import annotations

import pytest
from attrs import evolve

from actors.core.event_codec import entry_from_json
from actors.core.events import UnknownEvent
from actors.limits import DEFAULT_LIMITS
from actors.transfer import Restoration

CREATED = {"offset": 1, "type": "thread.created", "at": 1.0}
SUBMITTED = {
    "offset": 2,
    "type": "turn.submitted",
    "at": 1.0,
    "turn": "t1",
    "item": "t1.0",
    "content": "hi",
    "author": "a",
}
STARTED = {"offset": 3, "type": "turn.started", "at": 1.0, "turn": "t1", "attempt": 1}
DELTA = {"offset": 4, "type": "turn.delta", "at": 1.0, "turn": "t1", "item": "t1.1", "text": "x"}
ENDED = {"offset": 5, "type": "turn.completed", "at": 1.0, "turn": "t1"}
GOOD = (CREATED, SUBMITTED, STARTED, DELTA, ENDED)
WRONG = {
    "does not begin with its creation": (0, {**SUBMITTED, "offset": 1}),
    "created twice": (1, {**CREATED, "offset": 2}),
    "gap": (2, {**STARTED, "offset": 4}),
    "repeat": (2, {**STARTED, "offset": 2}),
    "range that ends before it begins": (3, {**DELTA, "to": 3}),
    "offset of the wrong sort": (2, {**STARTED, "offset": 3.0}),
    "no time": (1, {**SUBMITTED, "at": "noon"}),
    "text of the wrong sort": (3, {**DELTA, "text": 5}),
    "content of the wrong sort": (1, {**SUBMITTED, "content": {"a": 1}}),
    "metadata of the wrong sort": (1, {**SUBMITTED, "metadata": [1]}),
    "turn that nobody submitted": (2, {**STARTED, "turn": "t2"}),
    "delta of a turn that does not run": (2, {**DELTA, "offset": 3}),
    "item of another turn": (3, {**DELTA, "item": "t2.1"}),
    "item that is none": (3, {**DELTA, "item": "first"}),
    "ending twice": (5, {**ENDED, "offset": 6}),
    "turn submitted twice": (5, {**SUBMITTED, "offset": 6}),
    "marker of another turn": (4, {**ENDED, "type": "turn.cancelled", "item": "t2.2"}),
    "flag of the wrong sort": (4, {**ENDED, "rolled_back": "yes"}),
    "deletion": (5, {"offset": 6, "type": "thread.deleted", "at": 1.0}),
    "ended under a running turn": (4, {"offset": 5, "type": "thread.ended", "at": 1.0}),
    "truncation that left something out": (
        5,
        {"offset": 6, "type": "thread.truncated", "at": 1.0, "after": "t1.0", "items": 1},
    ),
    "tool call without its arguments": (
        3,
        {
            **DELTA,
            "type": "turn.item",
            "kind": "tool_call",
            "data": {"name": "f"},
        },
    ),
    "item that only the runtime makes": (
        3,
        {**DELTA, "type": "turn.item", "kind": "marker", "data": {}},
    ),
    "too large": (3, {**DELTA, "text": "x" * (2 << 20)}),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_follow_is_refused(what: str) -> None:
    before, wrong = WRONG[what]
    restoration = Restoration()
    for raw in GOOD[:before]:
        restoration.add(entry_from_json(raw))
    with pytest.raises(ValueError, match=r"\w"):
        restoration.add(entry_from_json(wrong))


def test_what_is_right_is_taken() -> None:
    restoration = Restoration()
    for raw in GOOD:
        restoration.add(entry_from_json(raw))
    unknown = {"offset": 6, "to": 9, "type": "thread.coloured", "at": 1.0, "colour": "red"}
    entry = entry_from_json(unknown)
    assert isinstance(entry.event, UnknownEvent)
    restoration.add(entry)
    assert (restoration.offset, restoration.events) == (9, 6)


def test_a_thread_above_the_bound_is_refused() -> None:
    restoration = Restoration(evolve(DEFAULT_LIMITS, import_bytes=200))
    restoration.add(entry_from_json(CREATED))
    with pytest.raises(ValueError, match="more than 200 bytes"):
        restoration.add(entry_from_json({**SUBMITTED, "content": "x" * 200}))
