"""Bad input, generated from the message classes, against a table that was written by hand.

The classes say which fields there are; the table says what the protocol does with each. A class or
a field without a row fails, and so does a row without a class or a field.
"""

from __future__ import annotations

import json
from typing import Any

import attrs
import pytest
from refusing import refusal

from actors.errors import FINAL_CODES
from transport.wire.messages import CLIENT_MESSAGES

TEXT = {"string"}
OBJECT = {"object"}
ANYTHING = {"string", "whole", "fraction", "true", "list", "object"}

# What one value of each sort of JSON looks like; strings are the fields' own business.
SORTS: dict[str, Any] = {
    "string": "x",
    "whole": 7,
    "fraction": 7.5,
    "true": True,
    "list": [],
    "object": {},
}


@attrs.frozen
class Row:
    """What the protocol does with a field.

    Args:
        good: a value that is accepted.
        sorts: of JSON that are.
        missing: the code where it is not there; None where that is fine.
        null: the code where it is null; None where that is fine.
        wrong: values of a right sort that are refused all the same.
        right: further values that are accepted, at the bounds above all.
    """

    good: Any
    sorts: set[str]
    missing: str | None = "bad_request"
    null: str | None = "bad_request"
    wrong: tuple[Any, ...] = ()
    right: tuple[Any, ...] = ()


def optional(row: Row) -> Row:
    return attrs.evolve(row, missing=None)


def nullable(row: Row) -> Row:
    return attrs.evolve(row, null=None)


ID = Row("c1", TEXT, wrong=("", "i" * 65), right=("i" * 64, "é" * 64))
KEY = optional(Row("k", TEXT, wrong=("", "k" * 129), right=("k" * 128,)))
THREAD = Row(
    "t-1",
    TEXT,
    wrong=("", "t" * 129, "-t", ".t", "_t", ":t", "t 1", "t/1", "té", "t\n", "t\x00", "../t"),
    right=("t" * 128, "7", "T.x_y:z-1"),
)
WORDS = Row("some words", TEXT, right=("", "w" * 1000))
KIND = Row("note", TEXT, wrong=("",), right=("w" * 1000,))
DATA = nullable(Row({"a": [1]}, ANYTHING))
PAGE = optional(
    Row(50, {"whole"}, wrong=(0, -1, 501, 2**63, 10**20, 50.0, "50", False), right=(1, 500))
)
CONTENT = Row(
    "hello",
    {"string", "list"},
    wrong=(
        ["hello"],
        [7],
        [None],
        [{}],
        [{"type": 7}],
        [{"type": None}],
        [{"type": "text"}],
        [{"type": "text", "text": 7}],
        [{"type": "text", "text": None}],
        [{"type": "text", "text": "a"}, {"text": "b"}],
        {"type": "text", "text": "hello"},
    ),
    right=([{"type": "text", "text": "a", "x": 1}, {"type": "image", "url": "u", "text": 7}],),
)

EXPECTED: dict[str, dict[str, Row]] = {
    "hello": {"token": optional(WORDS), "client": optional(WORDS)},
    "attach": {"id": ID, "thread": THREAD, "cursor": optional(WORDS), "window": PAGE},
    "detach": {"id": ID, "thread": THREAD},
    "submit": {
        "id": ID,
        "thread": THREAD,
        "key": KEY,
        "content": CONTENT,
        "on_busy": optional(
            Row(
                "reject",
                TEXT,
                wrong=("", "Reject", "later"),
                right=("queue", "interrupt", "rollback"),
            )
        ),
        "after": optional(nullable(WORDS)),
        "attachments": optional(Row([], {"list"}, right=([None, 1, {"a": []}],))),
        "metadata": optional(Row({}, OBJECT, right=({"a": None},))),
    },
    "cancel": {
        "id": ID,
        "thread": THREAD,
        "turn": optional(WORDS),
        "mode": optional(Row("keep", TEXT, wrong=("", "KEEP", "drop"), right=("rollback",))),
    },
    "record": {"id": ID, "thread": THREAD, "key": KEY, "kind": KIND, "data": DATA},
    "cast": {"thread": THREAD, "kind": KIND, "data": DATA},
    "history": {"id": ID, "thread": THREAD, "before": optional(WORDS), "limit": PAGE},
    "threads": {"id": ID, "after": optional(WORDS), "limit": PAGE},
    "truncate": {"id": ID, "thread": THREAD, "after": nullable(WORDS)},
    "fork": {"id": ID, "thread": THREAD, "to": THREAD, "after": nullable(WORDS), "key": KEY},
    "end": {"id": ID, "thread": THREAD},
    "delete": {"id": ID, "thread": THREAD},
    "ping": {"id": optional(ID)},
    "pong": {"id": optional(ID)},
}

FIELDS = [(tag, a.name) for tag, cls in CLIENT_MESSAGES.items() for a in attrs.fields(cls)]


def good(tag: str) -> dict[str, Any]:
    return {"type": tag, **{name: row.good for name, row in EXPECTED[tag].items()}}


def code_of(raw: object) -> str | None:
    """Decode; return the code of the refusal, having looked at the rest of it."""
    bad = refusal(json.dumps(raw))
    if bad is None:
        return None
    label = raw.get("id") if isinstance(raw, dict) else None
    kept = isinstance(label, str) and 1 <= len(label) <= 64
    assert bad.id == (label if kept else None)
    assert bad.code in FINAL_CODES
    assert not bad.retryable
    assert 10 < len(bad.message) < 400
    return bad.code


def test_the_table_and_the_classes_name_the_same_fields() -> None:
    written = {(tag, name) for tag, rows in EXPECTED.items() for name in rows}
    assert written == set(FIELDS)
    assert set(EXPECTED) == set(CLIENT_MESSAGES)


@pytest.mark.parametrize("tag", CLIENT_MESSAGES)
def test_a_message_is_taken_with_all_its_fields_and_with_the_required_ones_alone(tag: str) -> None:
    assert code_of(good(tag)) is None
    required = {name for name, row in EXPECTED[tag].items() if row.missing is not None}
    assert code_of({k: v for k, v in good(tag).items() if k in required | {"type"}}) is None


@pytest.mark.parametrize(("tag", "name"), FIELDS)
def test_a_missing_field(tag: str, name: str) -> None:
    raw = good(tag)
    del raw[name]
    assert code_of(raw) == EXPECTED[tag][name].missing


@pytest.mark.parametrize(("tag", "name"), FIELDS)
def test_a_null(tag: str, name: str) -> None:
    assert code_of({**good(tag), name: None}) == EXPECTED[tag][name].null


@pytest.mark.parametrize(("tag", "name"), FIELDS)
def test_a_value_of_the_wrong_sort(tag: str, name: str) -> None:
    for sort, value in SORTS.items():
        if sort not in EXPECTED[tag][name].sorts:
            assert code_of({**good(tag), name: value}) == "bad_request", sort


@pytest.mark.parametrize(("tag", "name"), FIELDS)
def test_a_value_beyond_the_bounds_and_one_at_them(tag: str, name: str) -> None:
    row = EXPECTED[tag][name]
    for value in row.wrong:
        assert code_of({**good(tag), name: value}) == "bad_request", value
    for value in row.right:
        assert code_of({**good(tag), name: value}) is None, value


@pytest.mark.parametrize("tag", CLIENT_MESSAGES)
@pytest.mark.parametrize("name", ["x", "Type", "thread_id", "__class__", "self", "é" * 300])
def test_an_unknown_field(tag: str, name: str) -> None:
    assert code_of({**good(tag), name: 1}) == "bad_request"


@pytest.mark.parametrize("tag", ["", "Submit", "welcome", "x" * 300, None, 7, ["submit"], {"a": 1}])
def test_an_unknown_type_keeps_the_id(tag: object) -> None:
    assert code_of({**good("submit"), "type": tag}) == "bad_request"
    assert code_of({"id": "c1"}) == "bad_request"


@pytest.mark.parametrize("raw", [None, True, 7, 7.5, "x", [], ["hello"], [{"type": "hello"}]])
def test_no_object(raw: object) -> None:
    assert code_of(raw) == "bad_request"


def test_a_refusal_says_what_was_expected_and_what_came() -> None:
    def message(raw: dict[str, Any]) -> str:
        bad = refusal(json.dumps(raw))
        assert bad is not None
        return bad.message

    submit = good("submit")
    assert message({**submit, "on_busy": "later"}) == (
        "on_busy: expected one of reject, queue, interrupt, rollback, got the string 'later'"
    )
    assert message({**good("attach"), "window": 501}) == (
        "window: expected a whole number from 1 to 500, got the number 501"
    )
    assert message({**good("attach"), "window": "42"}).endswith("got the string '42'")
    assert message({**submit, "metadata": None}) == "metadata: expected an object, got null"
    del submit["key"], submit["thread"]
    assert "thread: expected 1 to 128 of" in message(submit)
    assert message({"id": "c1"}).endswith("pong, got nothing")
    assert message({**good("end"), "x": 1}) == "there is no such field: the string 'x'"
    assert len(message({**good("end"), "id": "i" * 60_000})) < 200
