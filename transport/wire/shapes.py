"""Shapes: what a field may hold, said once for the check, the client's error and the reference.

A `Shape` is an attrs validator. A message that exists is therefore a valid one, whether it was
decoded or made by hand, and the JSON Schemas can be read off the classes.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import attrs
from attrs import frozen


class Absent(enum.Enum):
    """Marks a field that is not there, where null is something that a client may say."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


class WrongField(ValueError):
    """A field holds what it must not; the text is fit for the peer that sent it."""

    def __init__(self, name: str, expected: str, value: object) -> None:
        super().__init__(f"{name}: expected {expected}, got {describe(value)}")


@frozen
class Shape:
    """What a value has to be.

    Args:
        expected: the same in words, to follow "expected".
        accepts: whether a value fits; never raises.
        schema: the same as JSON Schema.
    """

    expected: str
    accepts: Callable[[Any], bool]
    schema: Mapping[str, Any]

    def __call__(self, _message: object, attribute: attrs.Attribute[Any], value: object) -> None:
        """Check a field, as attrs calls it. A field that has its default is absent, and passes.

        Raises:
            WrongField: where the value does not fit.
        """
        if value is not attribute.default and not self.accepts(value):
            raise WrongField(attribute.name, self.expected, value)


def text(shortest: int, longest: int) -> Shape:
    """Return the shape of a string of so many characters (code points)."""
    return Shape(
        f"a string of {shortest} to {longest} characters",
        lambda value: isinstance(value, str) and shortest <= len(value) <= longest,
        {"type": "string", "minLength": shortest, "maxLength": longest},
    )


def pattern(expression: str, expected: str) -> Shape:
    """Return the shape of a string that matches as a whole."""
    matches = re.compile(expression).fullmatch
    return Shape(
        expected,
        lambda value: isinstance(value, str) and matches(value) is not None,
        {"type": "string", "pattern": f"^{expression}$"},
    )


def choice(words: Iterable[str]) -> Shape:
    """Return the shape of one of some words."""
    known = tuple(str(word) for word in words)
    return Shape(
        f"one of {', '.join(known)}",
        lambda value: isinstance(value, str) and value in known,
        {"enum": list(known)},
    )


def open_choice(words: Iterable[str]) -> Shape:
    """Return the shape of a word of which a later server may know more than these."""
    known = [str(word) for word in words]
    return Shape(
        f"a string, such as {', '.join(known)}",
        lambda value: isinstance(value, str),
        {"type": "string", "examples": known},
    )


def whole(least: int, most: int | None = None) -> Shape:
    """Return the shape of a whole number within bounds. `true` is none, and neither is 1.0."""
    bounds = f"from {least} to {most}" if most is not None else f"of at least {least}"
    schema = {"type": "integer", "minimum": least}
    return Shape(
        f"a whole number {bounds}",
        lambda value: type(value) is int and least <= value and (most is None or value <= most),
        schema if most is None else {**schema, "maximum": most},
    )


def nullable(shape: Shape) -> Shape:
    """Return the shape that is null as well."""
    return Shape(
        f"{shape.expected}, or null",
        lambda value: value is None or shape.accepts(value),
        {"anyOf": [shape.schema, {"type": "null"}]},
    )


def list_of(what: str, schema: Mapping[str, Any]) -> Shape:
    """Return the shape of a list; what is in it is left to whoever reads it."""
    return Shape(f"a list of {what}", _is_list, {"type": "array", "items": schema})


def describe(value: object) -> str:
    """Say what came instead, in a few words and never in many."""
    match value:
        case None | True | False:
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            return _describe_text(value)
        case int() | float():
            return f"the number {value}" if abs(value) < 1e16 else "a huge number"
        case Mapping():
            return "an object"
        case Sequence():
            return "a list"
    return f"a {type(value).__name__}"


def _describe_text(value: str) -> str:
    if len(value) <= _SHOWN:
        return f"the string {value!a}"
    return f"a string of {len(value)} characters that begins {value[:_SHOWN]!a}"


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_content(value: object) -> bool:
    if isinstance(value, str):
        return True
    return _is_list(value) and all(map(_is_part, value))  # type: ignore[call-overload]  # a list


def _is_part(part: object) -> bool:
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        return False
    return part["type"] != "text" or isinstance(part.get("text"), str)


# Characters of a wrong string that an error repeats.
_SHOWN: Final = 24

TEXT: Final = Shape("a string", lambda value: isinstance(value, str), {"type": "string"})
FLAG: Final = Shape("true or false", lambda value: type(value) is bool, {"type": "boolean"})
NUMBER: Final = Shape("a number", lambda value: type(value) in (int, float), {"type": "number"})
OBJECT: Final = Shape("an object", lambda value: isinstance(value, Mapping), {"type": "object"})
ANY: Final = Shape("any JSON", lambda value: True, {})
LIST: Final = list_of("anything", {})

LABEL: Final = text(1, 64)
KEY: Final = text(1, 128)
WORD: Final = Shape(
    "a string that is not empty",
    lambda value: isinstance(value, str) and value != "",
    {"type": "string", "minLength": 1},
)
THREAD: Final = pattern(
    "[A-Za-z0-9][A-Za-z0-9._:-]{0,127}",
    "1 to 128 of A–Z a–z 0–9 . _ : - that begin with a letter or a digit",
)
CONTENT: Final = Shape(
    'a string or a list of parts, each an object with a string "type", '
    'and of type "text" with a string "text"',
    _is_content,
    {
        "anyOf": [
            {"type": "string"},
            {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["type"],
                    "properties": {"type": {"type": "string"}},
                    "if": {"properties": {"type": {"const": "text"}}},
                    "then": {"required": ["text"], "properties": {"text": {"type": "string"}}},
                },
            },
        ]
    },
)
