"""What a thread's items look like in a terminal. Pure: text and styles, no terminal."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

import orjson
from attrs import frozen

if TYPE_CHECKING:
    from actors import Content, Item


class Style(enum.Enum):
    """How a piece of text looks; without colours they are all alike."""

    PERSON = "person"
    ANSWER = "answer"
    ASIDE = "aside"
    MARKER = "marker"
    STATUS = "status"
    ERROR = "error"


@frozen
class Said:
    """A piece of text.

    Args:
        text: without a newline at its end, and safe to print.
        style: how it looks.
        fresh: whether it begins a line, and the next piece another one; otherwise it goes on where
            the last one ended.
    """

    text: str
    style: Style
    fresh: bool = True


PROMPT: Final = "> "
_INDENT: Final = "  "
# Characters of a tool's arguments, a result or a record that a transcript shows.
_DATA_CHARACTERS: Final = 200

# What could move the cursor, change colours or ring a bell: all control characters but newline and
# tab, and the marks that turn the direction of writing.
_UNSAFE: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

_MARKERS: Final = {
    "cancelled": "stopped",
    "interrupted": "interrupted by a restart",
    "superseded": "interrupted by a newer message",
    "timed_out": "ran out of time",
    "failed": "failed",
}


def safe(text: str) -> str:
    """Return a text with nothing in it that a terminal would obey."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text.replace("\r\n", "\n"))


def content_text(content: Content) -> str:
    """Return what was said as text; parts that are none are named."""
    if isinstance(content, str):
        return content
    parts = (
        str(part.get("text", "")) if part["type"] == "text" else f"[{part['type']}]"
        for part in content
    )
    return "\n".join(parts)


def message(content: Content, note: str = "") -> Said:
    """Return a person's message, as it was typed behind the prompt."""
    text = safe(content_text(content)).strip("\n").replace("\n", "\n" + " " * len(PROMPT))
    return Said(PROMPT + text + (f"  ({note})" if note else ""), Style.PERSON)


def marker(reason: str, text: str | None = None) -> Said:
    """Return how a turn ended, where it did not simply complete."""
    named = safe(_MARKERS.get(reason, reason))
    return Said(f"{_INDENT}[{named}{f': {safe(text)}' if text else ''}]", Style.MARKER)


def aside(kind: str, body: Any) -> Said:
    """Return an item that is no text: a tool call, a result, a record, the application's own."""
    match kind:
        case "tool_call":
            told = f"calls {body['name']} {_data(body['arguments'])}"
        case "tool_result":
            told = f"result {_data(body['data'])}"
        case "record":
            told = f"record {body['record']} {_data(body['data'])}"
        case _:
            told = f"{kind} {_data(body['data'])}"
    return Said(f"{_INDENT}[{safe(told)}]", Style.ASIDE)


def item(shown: Item) -> Said:
    """Return an item of the history."""
    body = shown.body
    match shown.kind:
        case "message":
            return message(body["content"])
        case "answer":
            return Said(safe(body["text"]).rstrip("\n"), Style.ANSWER)
        case "reasoning":
            return Said(safe(body["text"]).rstrip("\n"), Style.ASIDE)
        case "marker":
            return marker(body["reason"], body.get("message"))
        case _:
            return aside(shown.kind, body)


def transcript(items: Iterable[Item]) -> Iterator[Said]:
    """Return items as pieces to print, an empty line in front of all messages but the first."""
    for number, shown in enumerate(items):
        if number and shown.kind == "message":
            yield Said("", Style.ANSWER)
        yield item(shown)


def _data(value: Any) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= _DATA_CHARACTERS else text[: _DATA_CHARACTERS - 1] + "…"
