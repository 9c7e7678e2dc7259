"""What the journal of an incident knows: each thread as it was before, and what was said since."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import define, evolve, field, frozen

from ...core.event_codec import decode
from ...core.events import (
    Entry,
    Recorded,
    ThreadCreated,
    TurnDelta,
    TurnEnded,
    TurnItem,
    TurnStarted,
    TurnSubmitted,
)
from ...core.position import Position, parse_cursor
from ...errors import JournalCorrupt
from ...journal.contract import Summary
from ...transfer import export_thread
from .lines import Answered, Asked, Attached, Claimed

if TYPE_CHECKING:
    from ...journal.contract import Head, Journal
    from .lines import Line

# The record that a turn's handler made: the turn's id and its attempt come before its own number.
_BY_A_TURN: Final = re.compile(r"(.+)-([0-9]+)-[0-9]+\.0")


@frozen
class Piece:
    """A part of what a turn's handler said.

    Args:
        after: seconds since the turn began.
        event: what was said; a text over `width` offsets was so many pieces.
    """

    after: float
    event: TurnDelta | TurnItem | Recorded
    width: int


@define
class Spoken:
    """What one attempt of a turn said, and how it ended; None where it never did."""

    began: float
    pieces: list[Piece] = field(factory=list)
    ended: TurnEnded | None = None


@frozen
class Body:
    """What was said in a command."""

    content: Any
    metadata: Mapping[str, Any] | None = None
    attachments: Sequence[Any] | None = None


@frozen
class Before:
    """A thread as it was when the recording began.

    Args:
        epoch: what its epoch was called then.
        entries: its events, contiguous.
    """

    epoch: int
    entries: tuple[Entry, ...] = ()


# By turn and attempt.
AllSpoken: TypeAlias = dict[tuple[str, int], Spoken]


@define
class Past:
    """What a journal knows of the threads of a recording.

    Attributes:
        before: by thread.
        spoken: by turn and attempt.
        bodies: by turn, or by record.
        notes: what is gone, in sentences.
    """

    before: dict[str, Before] = field(factory=dict)
    spoken: AllSpoken = field(factory=dict)
    bodies: dict[str, Body] = field(factory=dict)
    notes: list[str] = field(factory=list)


async def read_past(journal: Journal, lines: Sequence[Line]) -> Past:
    """Look up the threads of a recording.

    Raises:
        JournalUnavailable: as the journal does.

    Cancellation leaves nothing behind.
    """
    past = Past()
    for thread, begins in _beginnings(lines).items():
        try:
            head = (await journal.load(thread)).head
            entries = await _entries(journal, Summary(thread, head))
        except JournalCorrupt:
            past.notes.append(f"thread {thread} is damaged: it begins empty")
            past.before[thread] = Before(begins.epoch if begins else 1)
            continue
        for entry in entries:
            _take(past, entry)
        past.before[thread] = _cut(past, thread, head, begins, entries)
    return past


def _beginnings(lines: Sequence[Line]) -> dict[str, Position | None]:
    """Return where each thread stood at first; None where nothing but its name is known."""
    found: dict[str, Position | None] = {}
    forks: dict[int, str] = {}
    made: set[str] = set()
    for line in lines:
        match line:
            case Asked(n=n, thread=thread, command=command, to=to):
                found.setdefault(thread, None)
                if command == "fork":
                    forks[n] = to
                    found.setdefault(to, None)
            case Answered(n=n, answer="forkreceipt", duplicate=False):
                made.add(forks.get(n, ""))
            case (
                Claimed(thread=thread, position=cursor) | Attached(thread=thread, position=cursor)
            ) if found.get(thread) is None:
                position = parse_cursor(cursor)
                found[thread] = Position(position.epoch, 0) if thread in made else position
            case _:
                pass
    return found


async def _entries(journal: Journal, summary: Summary) -> list[Entry]:
    async with aclosing(export_thread(journal, summary)) as rows:
        return [decode(row) async for row in rows]


def _cut(
    past: Past, thread: str, head: Head, begins: Position | None, entries: list[Entry]
) -> Before:
    """Return the thread up to where it began; what is gone of it is one empty event."""
    if begins is None:
        return Before(head.epoch, tuple(entries))
    gone = begins.epoch != head.epoch or head.floor > begins.offset
    if gone and begins.offset:
        past.notes.append(f"the history of thread {thread} is gone: it was truncated or deleted")
        whole = Entry(1, begins.offset, entries[0].at if entries else 0.0, ThreadCreated())
        return Before(begins.epoch, (whole,))
    kept = () if gone else tuple(_up_to(entries, begins.offset))
    return Before(begins.epoch, kept)


def _up_to(entries: list[Entry], offset: int) -> Iterator[Entry]:
    for entry in entries:
        if entry.offset <= offset:
            yield entry if entry.to <= offset else evolve(entry, to=offset)


def _take(past: Past, entry: Entry) -> None:
    match entry.event:
        case TurnSubmitted(turn=turn) as said:
            past.bodies[turn] = Body(said.content, said.metadata, said.attachments)
        case TurnStarted(turn=turn, attempt=attempt):
            past.spoken[turn, attempt] = Spoken(entry.at)
        case TurnDelta(turn=turn) | TurnItem(turn=turn):
            _say(past, _newest(past, turn), entry)
        case TurnEnded(turn=turn) as ended:
            spoken = _newest(past, turn)
            if spoken is not None:
                spoken.ended = ended
        case Recorded(item=item, data=data):
            past.bodies[item.rpartition(".")[0]] = Body(data)
            made = _BY_A_TURN.fullmatch(item)
            if made is not None:
                _say(past, past.spoken.get((made[1], int(made[2]))), entry)
        case _:
            pass


def _say(past: Past, spoken: Spoken | None, entry: Entry) -> None:
    if spoken is not None and isinstance(entry.event, TurnDelta | TurnItem | Recorded):
        width = entry.to - entry.offset + 1
        spoken.pieces.append(Piece(max(entry.at - spoken.began, 0.0), entry.event, width))


def _newest(past: Past, turn: str) -> Spoken | None:
    attempt = 1
    while (turn, attempt + 1) in past.spoken:
        attempt += 1
    return past.spoken.get((turn, attempt))
