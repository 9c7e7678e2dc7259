"""Values that somebody may give by mistake, and what a call may answer them with."""

from __future__ import annotations

import linecache
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen
from hypothesis import strategies as st

from actors import HoldfastError, InternalError, JournalError


class Word(str):
    """A text by another name."""

    __slots__ = ()


class Mute:
    """Something that cannot even be shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        raise RuntimeError("not to be shown")


def _cyclic() -> list[Any]:
    cycle: list[Any] = []
    cycle.append({"again": cycle})
    return cycle


def _deep(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


# By a name each, so that a failure says in a word what was given.
WRONG: Final[Mapping[str, Callable[[], Any]]] = {
    "nothing": lambda: None,
    "true": lambda: True,
    "zero": lambda: 0,
    "below zero": lambda: -1,
    "five": lambda: 5,
    "a fraction": lambda: 2.5,
    "no number": lambda: float("nan"),
    "infinity": lambda: float("inf"),
    "below infinity": lambda: float("-inf"),
    "a number of 65 bits": lambda: 2**64,
    "a number of 5000 digits": lambda: 10**5000,
    "such a one below zero": lambda: -(10**5000),
    "a decimal": lambda: Decimal("NaN"),
    "an empty text": lambda: "",
    "a blank": lambda: " ",
    "a word": lambda: "word",
    "a word of its own sort": lambda: Word("word"),
    "a number as text": lambda: "5",
    "a line and its end": lambda: "t1.0\n",
    "a zero character": lambda: "a\0b",
    "half a character": lambda: "\ud800",
    "a long text": lambda: "x" * 200,
    "a text that is too long": lambda: "x" * 700_000,
    "bytes": lambda: b"bytes",
    "bytes to change": lambda: bytearray(b"\xff"),
    "a view of some": lambda: memoryview(b"abcdef")[::2],
    "an empty list": list,
    "a list": lambda: [1, "two", None],
    "a list that never ends": _cyclic,
    "a deep list": lambda: _deep(120),
    "a deeper list": lambda: _deep(2000),
    "half a character in a list": lambda: ["\udfff"],
    "no number in a list": lambda: [float("nan")],
    "a pair": lambda: ("a", "b"),
    "a set": lambda: {"a"},
    "an empty object": dict,
    "an object": lambda: {"kind": "word"},
    "an object of numbers": lambda: {1: 2},
    "half a character for a name": lambda: {"\ud800": 1},
    "names that items have": lambda: {"item": 1, "turn": 2, "kind": 3, "at": "x"},
    "an object to read": lambda: MappingProxyType({"a": 1}),
    "something": object,
    "a class": lambda: Word,
    "a function": lambda: _cyclic,
    "something mute": Mute,
}

values: Final[st.SearchStrategy[str]] = st.sampled_from(tuple(WRONG))


@frozen
class Given:
    """A call and its arguments: each the name of a wrong value, or None for one that is right."""

    call: str
    wrong: Mapping[str, str]

    def arguments(self, right: Mapping[str, Any]) -> dict[str, Any]:
        """Return what to call it with."""
        made = {name: WRONG[value]() for name, value in self.wrong.items()}
        return {**right, **made}


def calls(table: Mapping[str, Mapping[str, Any]]) -> st.SearchStrategy[Given]:
    """Draw a call of a table that has the right arguments of each, and some that are wrong."""

    def of(call: str) -> st.SearchStrategy[Given]:
        some = st.dictionaries(st.sampled_from(tuple(table[call])), values, min_size=1, max_size=3)
        return some.map(lambda wrong: Given(call, wrong))

    return st.sampled_from(tuple(table)).flatmap(of)


async def is_answered(given: Given, call: Callable[[], Awaitable[object]]) -> None:
    """Make a call, which has to work or to raise an error that says what was wrong.

    Raises:
        AssertionError: where nobody raised it on purpose.
    """
    try:
        await call()
    except Exception as exc:  # what it may be is the question
        if not is_told(exc) and not _is_promised(given, exc):
            raise AssertionError(f"{given} raised {type(exc).__name__}") from exc


def is_told(exc: BaseException) -> bool:
    """Say whether an error is one that is promised, and was raised for the caller to read it."""
    if isinstance(exc, HoldfastError):
        return not isinstance(exc, InternalError | JournalError) and bool(str(exc))
    return isinstance(exc, ValueError | TypeError) and _is_raised_by_a_statement(exc)


def _is_promised(given: Given, exc: Exception) -> bool:
    return given.call in ("write", "think") and isinstance(exc, UnicodeEncodeError)


def _is_raised_by_a_statement(exc: BaseException) -> bool:
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    line = linecache.getline(trace.tb_frame.f_code.co_filename, trace.tb_lineno)
    return line.lstrip().startswith("raise ")
