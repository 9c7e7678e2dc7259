"""What a client library owes its user across connections: I3, I8 and I20 once more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attrs import define

from ...core.effects import Submitted
from ...core.position import Position, parse_cursor
from ...delivery.batches import CaughtUp, Detached, Events, Snapshot
from ...errors import PositionUnrecoverable
from ..facts import AtRest, Raised, Refused
from ..operations import Cancel, Fork, ListThreads, ReadPage, Record, Submit, Target
from ..wire_facts import Asked, Connected, Followed, Sent, Shown, Told, Unfollowed, Went
from .broken import Broken

if TYPE_CHECKING:
    from ...delivery.batches import Batch
    from ..history import History


@define(eq=False)
class _Reader:
    """What a user was shown of a thread so far."""

    number: int
    thread: str
    at: Position | None
    over: bool = False
    detached: bool = False

    def take(self, batch: Batch) -> Iterator[str]:
        """Take a batch, and say what is wrong with it."""
        match batch:
            case Snapshot(position=position):
                self.at = position
            case Events():
                yield from self._events(batch)
            case CaughtUp(position=position) if position != self.at:
                yield f"is told that it caught up at {position.cursor()}, and was at {self.at}"
            case Detached():
                self.detached = True
            case _:
                pass

    def _events(self, events: Events) -> Iterator[str]:
        for row in events.rows:
            at = self.at
            if at is None or (events.position.epoch, row.offset) != (at.epoch, at.offset + 1):
                yield f"is shown {events.position.epoch}.{row.offset} after {at}"
            self.at = Position(events.position.epoch, row.to)


def users_see_one_stream(history: History) -> Iterator[Broken]:
    """Find gaps and repeats in what users were shown, and what they never saw."""
    readers: dict[int, _Reader] = {}
    for index, record in history.of(Followed, Shown, Unfollowed, AtRest):
        match record.fact:
            case Followed(reader=number, thread=thread, cursor=cursor):
                readers[number] = _Reader(number, thread, _position(cursor))
            case Shown(reader=number, batch=batch):
                for wrong in readers[number].take(batch):
                    yield Broken("I3", f"reader {number} {wrong}", index)
            case Unfollowed(reader=number):
                readers[number].over = True
            case AtRest():
                for reader in readers.values():
                    yield from _missed(history, reader, index)
            case _:
                pass


def _missed(history: History, reader: _Reader, rest: int) -> Iterator[Broken]:
    head = history.head(reader.thread, rest)
    if not (reader.over or reader.detached) and reader.at != head:
        message = f"reader {reader.number} was shown {reader.at}, and never {head.cursor()}"
        yield Broken("I3", message, rest)


def users_are_answered(history: History) -> Iterator[Broken]:
    """Find calls of users that were never answered, or not as the library promises."""
    asked: dict[int, Asked] = {}
    left: set[int] = set()  # asks whose client was closed over them
    for index, record in history.of(Asked, Went, Told, AtRest):
        match record.fact:
            case Asked(ask=ask) as question:
                asked[ask] = question
            case Went(client=client):
                left |= {ask for ask, question in asked.items() if question.client == client}
            case Told(ask=ask, answer=answer):
                question = asked.pop(ask)
                if isinstance(answer, Raised):
                    yield Broken("I10", f"ask {ask} raised {answer.error}", index)
                retried = ask not in left and _is_retried(question)
                if answer == Refused("outcome_unknown") and retried:
                    message = f"ask {ask} may be sent again, and its user is told to guess"
                    yield Broken("I8", message, index)
            case AtRest():
                for ask in asked:
                    yield Broken("I20", f"ask {ask} was never answered", index)
            case _:
                pass


def authors_are_senders(history: History) -> Iterator[Broken]:
    """Find turns that belong to somebody else than the principal of the connection they came by."""
    principals: dict[int, str] = {}
    for _, record in history.of(Connected, Sent):
        match record.fact:
            case Connected(connection=connection, principal=principal):
                principals[connection] = principal
            case Sent(connection=connection, call=number):
                yield from _author(history, number, principals[connection])
            case _:
                pass


def _author(history: History, number: int, principal: str) -> Iterator[Broken]:
    call = history.calls[number]
    if isinstance(call.answer, Submitted):
        submitted = history.turn(call.answer.turn).of("turn.submitted")
        if submitted and submitted[0].raw["author"] != principal:
            author = submitted[0].raw["author"]
            message = f"call {number} of {principal} is answered with a turn of {author}"
            yield Broken("I8", message, call.over or call.called)


def _is_retried(asked: Asked) -> bool:
    match asked.operation:
        case Submit() | Record() | Fork() | ReadPage() | ListThreads():
            return True
        case Cancel(target=Target.NEWEST | Target.EARLIER | Target.UNKNOWN):
            return True
        case _:
            return False


def _position(cursor: str | None) -> Position | None:
    try:
        return parse_cursor(cursor) if cursor is not None else None
    except PositionUnrecoverable:
        return None
