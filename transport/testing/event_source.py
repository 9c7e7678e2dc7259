"""Reading `text/event-stream` by the letter of the HTML standard, and nothing that it forgives.

It shares no code with the runtime, so it cannot share its mistakes.
"""

from __future__ import annotations

import codecs
import re
from typing import Final

from attrs import define, field, frozen

_LINE_END: Final = re.compile(r"\r\n|\r|\n")


@frozen
class SentEvent:
    """One event, as a page's listener gets it.

    Args:
        type: `message` where the stream named none.
        data: its lines, joined.
        id: the last id when it was dispatched.
        names_id: whether it said so itself.
    """

    type: str
    data: str
    id: str
    names_id: bool


@define
class EventParser:
    """Parses one stream, cut into any pieces; a reader that comes back makes a new one.

    Attributes:
        last_id: what a browser would send as `Last-Event-ID` if the stream ended here; None where
            no block was whole yet, so that what it had before holds.
        retry_ms: how long to wait before coming back, where the stream said so.
    """

    last_id: str | None = None
    retry_ms: int | None = None
    _decoder: codecs.IncrementalDecoder = field(
        factory=lambda: codecs.getincrementaldecoder("utf-8")("replace")
    )
    _begun: bool = False
    _after_return: bool = False
    _rest: str = ""
    _id: str = ""
    _names_id: bool = False
    _type: str = ""
    _data: list[str] = field(factory=list)

    def feed(self, data: bytes) -> list[SentEvent]:
        """Take bytes, and return the events that they complete."""
        text = self._decoder.decode(data)
        if text and not self._begun:
            self._begun = True
            text = text.removeprefix("\ufeff")
        if text and self._after_return:
            text = text.removeprefix("\n")
            self._after_return = False
        self._after_return = self._after_return or text.endswith("\r")
        *lines, self._rest = _LINE_END.split(self._rest + text)
        return [event for line in lines if (event := self._take(line)) is not None]

    def _take(self, line: str) -> SentEvent | None:
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._type = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id, self._names_id = value, True
        elif name == "retry" and value.isascii() and value.isdigit():
            self.retry_ms = int(value)
        return None

    def _dispatch(self) -> SentEvent | None:
        self.last_id = self._id
        data, self._data = self._data, []
        type, self._type = self._type, ""
        names_id, self._names_id = self._names_id, False
        if not data:
            return None
        return SentEvent(type or "message", "\n".join(data), self._id, names_id)
