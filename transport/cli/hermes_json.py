"""The JSON of session files as Python programs write it, which is wider than the standard.

`json.dumps` writes half a character where a text was cut within one, and numbers that are none. No
journal takes either, and a session is not to be lost for them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from math import isfinite
from typing import Any, Final

import orjson
from attrs import define, field

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_INT64: Final = range(-(2**63), 2**64)
# Characters of the longest number in it, its sign included.
_INT64_DIGITS: Final = 20


def read_json(data: bytes) -> tuple[Any, list[str]]:
    """Read one JSON text.

    Args:
        data: in UTF-8, with or without a byte order mark.

    Returns:
        The value, as strict JSON has it, and what had to be changed for that, a sentence for each
        sort: a lone surrogate is U+FFFD then, and a number that is none is null.

    Raises:
        orjson.JSONDecodeError: it is no JSON, or nested too deep.
    """
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        return orjson.loads(data), []
    except orjson.JSONDecodeError as strictly:
        try:
            value = json.loads(data.decode("utf-8", "surrogatepass"), parse_int=_whole)
            mending = _Mending()
            return mending.mended(value, "the file"), list(mending.said())
        except (ValueError, RecursionError):
            raise strictly from None


def _whole(digits: str) -> int | float:
    """Return a whole number as strict JSON has it: one of more than 64 bits is a float."""
    if len(digits) <= _INT64_DIGITS and int(digits) in _INT64:
        return int(digits)
    return float(digits)


@define
class _Mending:
    """Makes strict JSON of a value, and notes where it had to be changed."""

    _surrogates: list[str] = field(factory=list)
    _numbers: list[str] = field(factory=list)

    def mended(self, value: Any, place: str) -> Any:
        if isinstance(value, str):
            return self._text(value, place)
        if isinstance(value, float) and not isfinite(value):
            self._numbers.append(place)
            return None
        if isinstance(value, list):
            return [self.mended(each, _within(place, i)) for i, each in enumerate(value)]
        if isinstance(value, dict):
            return {
                self._text(name, place): self.mended(each, _within(place, name))
                for name, each in value.items()
            }
        return value

    def _text(self, text: str, place: str) -> str:
        mended, count = _SURROGATE.subn("\ufffd", text)
        self._surrogates += [place] * count
        return mended

    def said(self) -> Iterator[str]:
        if self._surrogates:
            yield f"half a character (a lone surrogate) is U+FFFD now{_where(self._surrogates)}"
        if self._numbers:
            yield f"NaN or an infinite number is null now{_where(self._numbers)}"


def _within(place: str, name: str | int) -> str:
    """Name a place as `messages[3].content`; how deep it goes does not matter, so it is cut."""
    if place == "the file":
        return ascii(name)[1:-1][:40] if isinstance(name, str) else f"[{name}]"
    step = f"[{name}]" if isinstance(name, int) else f".{ascii(name)[1:-1][:40]}"
    return place if len(place) > 80 else place + step


def _where(places: list[str]) -> str:
    others = f", and at {len(places) - 1} more" if len(places) > 1 else ""
    return f": {places[0]}{others}"
