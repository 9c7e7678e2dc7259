"""What the tail keeps of a turn's earlier events: its text merged, and where each piece ended.

A piece of text takes a tenth of what its row takes, and whoever reattaches gets a few merged events
instead of thousands (idea 5). It still begins wherever a piece ended, since any of those places may
be somebody's cursor (I3).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

from ..core.event_codec import Row, decode, encode
from ..core.events import Entry, TurnDelta
from ..errors import PositionUnrecoverable

# Bytes that the places of a piece take: where its offsets and its text end, and its time.
_PIECE_BYTES = 24


class _Run:
    """Adjacent pieces of one text."""

    __slots__ = ("_ats", "_ends", "_text", "_tos", "event", "offset")

    def __init__(self, first: Entry, event: TurnDelta) -> None:
        self.event = event
        self.offset = first.offset
        self._text = bytearray()
        self._ends = array("Q")
        self._tos = array("Q")
        self._ats = array("d")
        self.add(first, event.text)

    @property
    def to(self) -> int:
        return self._tos[-1]

    @property
    def size(self) -> int:
        return len(self._text) + _PIECE_BYTES * len(self._tos)

    def takes(self, entry: Entry, event: TurnDelta, limit_bytes: int) -> bool:
        """Say whether an entry goes on with this text; the rule of `core.merge`."""
        mine = self.event
        return (
            self.to + 1 == entry.offset
            and (mine.turn, mine.item, mine.channel) == (event.turn, event.item, event.channel)
            and len(self._text) + len(event.text.encode()) <= limit_bytes
        )

    def add(self, entry: Entry, text: str) -> None:
        self._text += text.encode()
        self._ends.append(len(self._text))
        self._tos.append(entry.to)
        self._ats.append(entry.at)

    def after(self, offset: int) -> Row:
        """Return what follows an offset, as one event."""
        skip = 0 if offset < self.offset else bisect_left(self._tos, offset) + 1
        if offset != (self._tos[skip - 1] if skip else self.offset - 1):
            raise PositionUnrecoverable("compacted")
        mine = self.event
        text = self._text[self._ends[skip - 1] if skip else 0 :].decode()
        event = TurnDelta(mine.turn, mine.item, text, mine.channel)
        return encode(Entry(offset + 1, self.to, self._ats[skip], event))


class Older:
    """A contiguous run of earlier events.

    Args:
        limit_bytes: of all of them; the oldest go first.
        merged_bytes: of the text of one event.
    """

    __slots__ = ("_limit_bytes", "_merged_bytes", "_parts", "size")

    def __init__(self, limit_bytes: int, merged_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._merged_bytes = merged_bytes
        self._parts: list[Row | _Run] = []
        self.size = 0

    def add(self, row: Row) -> None:
        """Take the event that follows the last one."""
        entry = decode(row)
        event, last = entry.event, self._parts[-1] if self._parts else None
        if not isinstance(event, TurnDelta):
            self._parts.append(row)
            self.size += len(row.body)
        elif isinstance(last, _Run) and last.takes(entry, event, self._merged_bytes):
            before = last.size
            last.add(entry, event.text)
            self.size += last.size - before
        else:
            self._parts.append(_Run(entry, event))
            self.size += _size(self._parts[-1])
        while self.size > self._limit_bytes and self._parts:
            self.size -= _size(self._parts.pop(0))

    def reaches(self, offset: int) -> bool:
        """Say whether what follows an offset is here."""
        return bool(self._parts) and self._parts[0].offset <= offset + 1 <= self._parts[-1].to

    def after(self, offset: int, batch_bytes: int) -> list[Row]:
        """Return the events that follow an offset, as many as make a batch and at least one.

        Raises:
            PositionUnrecoverable: `compacted`, where the offset lies inside an event.
        """
        at = bisect_left(self._parts, offset + 1, key=lambda part: part.to)
        rows = [_after(self._parts[at], offset)]
        size = len(rows[0].body)
        for part in self._parts[at + 1 :]:
            # A run is weighed as the event that it becomes; in memory it weighs less.
            row = _after(part, rows[-1].to)
            size += len(row.body)
            if size > batch_bytes:
                break
            rows.append(row)
        return rows


def _size(part: Row | _Run) -> int:
    return part.size if isinstance(part, _Run) else len(part.body)


def _after(part: Row | _Run, offset: int) -> Row:
    if isinstance(part, _Run):
        return part.after(offset)
    if part.offset != offset + 1:
        raise PositionUnrecoverable("compacted")
    return part
