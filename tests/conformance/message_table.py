"""What the protocol does with each field of each message of a client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from attrs import frozen

BAD: Final = "bad_request"
Values = tuple[Any, ...]
# What a field must not hold, by sort of field. Each is refused with `bad_request`.
LABEL: Values = ("", "i" * 65, 7, 7.5, True, ["c1"], {"id": "c1"})
KEY: Values = ("", "k" * 129, 7, False, ["k"], {})
THREAD: Values = (
    "",
    "t" * 129,
    "-t",
    ".t",
    "_t",
    "t 1",
    "t/1",
    "../t",
    "té",
    "t\n",
    "t\0",
    7,
    [],
    {},
)
TEXT: Values = (7, 7.5, True, ["x"], {"x": 1})
PAGE: Values = ("", "50", 0, -1, 501, 50.0, 2**63, 10**40, True, [50], {})
CONTENT: Values = (
    *(7, 7.5, True, {"type": "text", "text": "say 1"}),
    *(["say 1"], [7], [None], [[]], [{}], [{"type": 7}], [{"type": "text"}]),
    *([{"type": "text", "text": 7}], [{"type": "text", "text": None}]),
    # blank
    *("", " \t\n\u2003", [], [{"type": "text", "text": " "}]),
)
ON_BUSY: Values = ("", "Reject", "later", 7, None, ["queue"])
MODE: Values = ("", "KEEP", "drop", 7, ["keep"])
LIST: Values = ("x", 7, True, {"a": 1})
OBJECT: Values = ("x", 7, True, ["a"])
ANY: Values = ()


@frozen
class Field:
    """What the protocol does with one field.

    Args:
        good: a value that is accepted.
        wrong: values that are not.
        missing, null: the code where it is not there, or null; None where that is fine.
    """

    good: Any
    wrong: tuple[Any, ...]
    missing: str | None = BAD
    null: str | None = BAD


def optional(good: Any, wrong: tuple[Any, ...], null: str | None = BAD) -> Field:
    return Field(good, wrong, None, null)


@frozen
class Row:
    """What the protocol does with one type of message.

    Args:
        answer: the type of the answer to a good one, or the code of its `error`; None for none.
        fields: all of its fields.
    """

    answer: str | None
    fields: dict[str, Field]


ID: Final = Field("good", LABEL)
T: Final = Field("absent-thread", THREAD)
EXPECTED: dict[str, Row] = {
    "hello": Row("welcome", {"token": optional("secret", TEXT), "client": optional("x/1", TEXT)}),
    "attach": Row(
        "attached",
        {"id": ID, "thread": T, "cursor": optional("1.0", TEXT), "window": optional(500, PAGE)},
    ),
    "detach": Row("reply", {"id": ID, "thread": T}),
    "submit": Row(
        "reply",
        {
            "id": ID,
            "thread": Field("bad-input-submit", THREAD),
            "key": optional("k" * 128, KEY),
            "content": Field("say 1", CONTENT),
            "on_busy": optional("queue", ON_BUSY),
            "after": optional(None, TEXT, null=None),
            "attachments": optional([{"any": 1}], LIST),
            "metadata": optional({"any": 1}, OBJECT),
        },
    ),
    "cancel": Row(
        "thread_not_found",
        {"id": ID, "thread": T, "turn": optional("t_1", TEXT), "mode": optional("rollback", MODE)},
    ),
    "record": Row(
        "reply",
        {
            "id": ID,
            "thread": Field("bad-input-record", THREAD),
            "key": optional("k", KEY),
            "kind": Field("note", TEXT),
            "data": Field({"any": 1}, ANY, null=None),
        },
    ),
    "cast": Row(
        "unsupported",
        {"thread": T, "kind": Field("typing", TEXT), "data": Field([1], ANY, null=None)},
    ),
    "history": Row(
        "thread_not_found",
        {"id": ID, "thread": T, "before": optional("t_1.0", TEXT), "limit": optional(1, PAGE)},
    ),
    "threads": Row(
        BAD,  # its good `after` is a text, and only the server's own are good for more
        {"id": ID, "after": optional("unknown", TEXT), "limit": optional(1, PAGE)},
    ),
    "truncate": Row(
        "thread_not_found", {"id": ID, "thread": T, "after": Field("t_1.0", TEXT, null=None)}
    ),
    "fork": Row(
        "thread_not_found",
        {
            "id": ID,
            "thread": T,
            "to": Field("another", THREAD),
            "after": Field("t_1.0", TEXT, null=None),
            "key": optional("k", KEY),
        },
    ),
    "end": Row("reply", {"id": ID, "thread": T}),
    "delete": Row("reply", {"id": ID, "thread": T}),
    "ping": Row("pong", {"id": optional("good", LABEL)}),
    "pong": Row(None, {"id": optional("good", LABEL)}),
}


def good(type: str) -> dict[str, Any]:
    fields = EXPECTED[type].fields
    return {"type": type, **{name: field.good for name, field in fields.items()}}


def bad_ones(type: str) -> Iterator[dict[str, Any]]:
    """Every field missing, null, of a wrong sort or out of its bounds; and one too many."""
    for name, field in EXPECTED[type].fields.items():
        if field.missing is not None:
            yield {key: value for key, value in good(type).items() if key != name}
        if field.null is not None:
            yield {**good(type), name: None}
        for value in field.wrong:
            if value is not None or field.null is not None:
                yield {**good(type), name: value}
    for name in ("x", "Type", "thread_id", "__class__", "self", "é" * 300):
        yield {**good(type), name: 1}
