"""The file that `holdfast export` writes and `holdfast import` reads.

It is JSON Lines in UTF-8: one object in each line, and for each thread a header line, followed by
its events, one in each line, oldest first:

    {"type":"thread","version":1,"thread":"t-1","offset":4}
    {"offset":1,"type":"thread.created","at":1700000000.0}
    {"offset":2,"type":"turn.submitted","at":1700000000.0,"turn":"t1","item":"t1.0", …}
    {"offset":3,"type":"turn.started","at":1700000000.0,"turn":"t1","attempt":1}
    {"offset":4,"to":9, …}

The header has

- `type`: always `thread`;
- `version`: of this format, 1;
- `thread`: the thread's id;
- `offset`: the last offset of its events, which shows whether all of them are there.

An event is the object that the wire protocol and the journal have (docs/reference/protocol.md):
`offset`, `to` where it covers a range, `type`, `at` in Unix seconds, and the fields of its type.
Offsets begin with 1 and leave no gap.

What a truncation took out of a thread is not in the file. In front of it stand the events that its
remaining items tell, without keys and metadata, and then `thread.truncated`, which covers the
offsets that are over. A thread that is read from a server after a truncation has offsets of its
own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

import orjson
from attrs import define, frozen

from actors.core.arguments import shown
from actors.core.event_codec import entry_from_json
from actors.core.thread_id import is_thread_id
from actors.limits import DEFAULT_LIMITS, Limits
from actors.transfer import Restoration

VERSION: Final = 1
_HEADER: Final = "thread"


@frozen
class Complete:
    """A thread whose lines are all there and make sense.

    Args:
        line: the number of its header line, from 1.
        thread: its id.
        restoration: its events.
        unread: what of it could not be read and was kept as it is, in a sentence each.
    """

    line: int
    thread: str
    restoration: Restoration
    unread: tuple[str, ...] = ()


@frozen
class Refused:
    """Lines that cannot be imported.

    Args:
        line: the number of the line that is wrong, from 1.
        thread: the thread that is left out for it; None where that is not known.
        why: in a sentence.
    """

    line: int
    thread: str | None
    why: str


def header_line(thread: str, offset: int) -> bytes:
    """Return the line that a thread begins with."""
    header = {"type": _HEADER, "version": VERSION, "thread": thread, "offset": offset}
    return orjson.dumps(header) + b"\n"


def lines_of(file: BinaryIO, limits: Limits = DEFAULT_LIMITS) -> Iterator[bytes]:
    """Yield a file's lines; of one longer than any event, the beginning, which is no JSON."""
    most = 2 * limits.frame_bytes
    while line := file.readline(most):
        rest = line
        while rest and not rest.endswith(b"\n"):
            rest = file.readline(most)
        yield line


def read_threads(
    lines: Iterable[bytes], limits: Limits = DEFAULT_LIMITS
) -> Iterator[Complete | Refused]:
    """Read a file's threads one after another; a bad line costs its thread and no other.

    Args:
        lines: of the file; memory holds one thread at a time.
        limits: as `Restoration`.
    """
    block: _Block | None = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        raw = _parsed(line)
        if block is None or _is_header(raw):
            if block is not None:
                yield block.close()
            block = _Block.begun(number, raw, limits)
        else:
            block.add(number, raw)
    if block is not None:
        yield block.close()


def _parsed(line: bytes) -> Any:
    """Return the JSON of a line; None where it is none, which is no object either."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _is_header(raw: Any) -> bool:
    return isinstance(raw, dict) and raw.get("type") == _HEADER


@define
class _Block:
    """The lines of one thread. Once one of them is refused, the others are passed over."""

    line: int
    offset: int
    restoration: Restoration
    thread: str | None = None
    refused: Refused | None = None

    @classmethod
    def begun(cls, line: int, raw: Any, limits: Limits) -> _Block:
        block = cls(line, 0, Restoration(limits))
        if not _is_header(raw):
            block.refuse(line, "expected the header of a thread")
        elif raw.get("version") != VERSION:
            block.refuse(line, f"version {raw.get('version')!r} of the format is not known here")
        elif not isinstance(raw.get("thread"), str) or not is_thread_id(raw["thread"]):
            block.refuse(line, f"{shown(raw.get('thread'))} is no thread id")
        elif type(raw.get("offset")) is not int:
            block.refuse(line, "the header has no offset")
        else:
            block.thread, block.offset = raw["thread"], raw["offset"]
        return block

    def add(self, line: int, raw: Any) -> None:
        if self.refused is not None:
            return
        try:
            if not isinstance(raw, dict):
                raise ValueError("no JSON object")
            self.restoration.add(entry_from_json(raw))
        except KeyError as exc:
            self.refuse(line, f"the field {exc} is missing")
        except (TypeError, ValueError) as exc:
            self.refuse(line, f"no event: {exc}")

    def close(self) -> Complete | Refused:
        ends = self.restoration.offset
        if self.refused is None and ends != self.offset:
            why = f"its events end at offset {ends}, and the header says {self.offset}"
            self.refuse(self.line, f"not all of the thread is there: {why}")
        if self.refused is None and self.thread is not None:
            return Complete(self.line, self.thread, self.restoration)
        assert self.refused is not None  # a header is refused, or names a thread
        return self.refused

    def refuse(self, line: int, why: str) -> None:
        self.refused = Refused(line, self.thread, why)
