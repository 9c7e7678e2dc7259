"""The messages of a client as a table: what each field holds, and what it must not hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

from attrs import frozen

Values: TypeAlias = "tuple[Any, ...]"

# What a field must not hold, by sort of field. Each is refused with `bad_request`.
LABEL: Final[Values] = ("", "i" * 65, 7, 7.5, True, ["c1"], {"id": "c1"})
KEY: Final[Values] = ("", "k" * 129, 7, False, ["k"], {})
THREAD: Final[Values] = (
    *("", "t" * 129, "-t", ".t", "_t", "t 1", "t/1", "../t", "té", "t\n", "t\0", 7, [], {}),
)
TEXT: Final[Values] = (7, 7.5, True, ["x"], {"x": 1})
PAGE: Final[Values] = ("", "42", 0, -1, 501, 50.0, 2**63, 10**40, True, [50], {})
CONTENT: Final[Values] = (
    *(7, 7.5, True, {"type": "text", "text": "hello"}),
    *(["hello"], [7], [None], [[]], [{}], [{"type": 7}], [{"type": "text"}]),
    *([{"type": "text", "text": 7}], [{"type": "text", "text": None}]),
    # blank
    *("", " \t\n\u2003", [], [{"type": "text", "text": " "}]),
)
ON_BUSY: Final[Values] = ("", "Reject", "later", 7, ["queue"])
MODE: Final[Values] = ("", "KEEP", "drop", 7, ["keep"])
LIST: Final[Values] = ("x", 7, True, {"a": 1})
OBJECT: Final[Values] = ("x", 7, True, ["a"])
ANY: Final[Values] = ()


@frozen
class Field:
    """What the protocol does with one field.

    Args:
        good: a value that is accepted.
        wrong: values that are not.
        required: whether it may not be left out.
        nullable: whether it may be null.
    """

    good: Any
    wrong: Values
    required: bool = True
    nullable: bool = False


def _optional(good: Any, wrong: Values, *, nullable: bool = False) -> Field:
    return Field(good, wrong, required=False, nullable=nullable)


_ID: Final = Field("good", LABEL)
_THREAD: Final = Field("conform-absent", THREAD)
_KEY: Final = _optional("k" * 128, KEY)
_AFTER: Final = Field("t_1.0", TEXT, nullable=True)

FIELDS: Final[Mapping[str, Mapping[str, Field]]] = {
    "hello": {"token": _optional("secret", TEXT), "client": _optional("x/1", TEXT)},
    "attach": {
        "id": _ID,
        "thread": _THREAD,
        "cursor": _optional("1.0", TEXT),
        "window": _optional(500, PAGE),
    },
    "detach": {"id": _ID, "thread": _THREAD},
    "submit": {
        "id": _ID,
        "thread": _THREAD,
        "key": _KEY,
        "content": Field("hello", CONTENT),
        "on_busy": _optional("queue", ON_BUSY),
        "after": _optional(None, TEXT, nullable=True),
        "attachments": _optional([{"any": 1}], LIST),
        "metadata": _optional({"any": 1}, OBJECT),
    },
    "cancel": {
        "id": _ID,
        "thread": _THREAD,
        "turn": _optional("t_1", TEXT),
        "mode": _optional("rollback", MODE),
    },
    "record": {
        "id": _ID,
        "thread": _THREAD,
        "key": _KEY,
        "kind": Field("note", TEXT),
        "data": Field({"any": 1}, ANY, nullable=True),
    },
    "cast": {
        "thread": _THREAD,
        "kind": Field("typing", TEXT),
        "data": Field([1], ANY, nullable=True),
    },
    "history": {
        "id": _ID,
        "thread": _THREAD,
        "before": _optional("t_1.0", TEXT),
        "limit": _optional(1, PAGE),
    },
    "threads": {"id": _ID, "after": _optional("unknown", TEXT), "limit": _optional(1, PAGE)},
    "truncate": {"id": _ID, "thread": _THREAD, "after": _AFTER},
    "fork": {
        "id": _ID,
        "thread": _THREAD,
        "to": Field("conform-other", THREAD),
        "after": _AFTER,
        "key": _KEY,
    },
    "end": {"id": _ID, "thread": _THREAD},
    "delete": {"id": _ID, "thread": _THREAD},
    "ping": {"id": _optional("good", LABEL)},
    "pong": {"id": _optional("good", LABEL)},
}
"""Every type of message, with all of its fields."""


def good(type: str, **fields: Any) -> dict[str, Any]:
    """Return a message that is understood, with every field, and with these values."""
    return {"type": type, **{name: f.good for name, f in FIELDS[type].items()}, **fields}


def bad_ones(type: str) -> Iterator[dict[str, Any]]:
    """Yield every field missing, null, of a wrong sort or out of its bounds; and one too many."""
    for name, field in FIELDS[type].items():
        if field.required:
            yield {key: value for key, value in good(type).items() if key != name}
        if not field.nullable:
            yield good(type, **{name: None})
        yield from (good(type, **{name: value}) for value in field.wrong)
    for name in ("x", "Type", "thread_id", "__class__", "é" * 300):
        yield good(type, **{name: 1})
