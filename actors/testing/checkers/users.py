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
    from ..facts import Answer
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


@define(eq=False)
class _Open:
    """A call of a user that is not answered yet.

    Args:
        asked: what it was, and `since` which record.
        left: whether its client was closed over it.
        alike: whether another was open meanwhile that cannot be told from it on the wire: how
            often each went out is not known.
    """

    asked: Asked
    since: int
    left: bool = False
    alike: bool = False

    @property
    def sort(self) -> tuple[int, str, type]:
        return self.asked.client, self.asked.thread, type(self.asked.operation)


def users_are_answered(history: History) -> Iterator[Broken]:
    """Find calls of users that were never answered, or not as the library promises."""
    asks: dict[int, _Open] = {}
    for index, record in history.of(Asked, Went, Told, AtRest):
        match record.fact:
            case Asked(ask=ask) as asked:
                asks[ask] = new = _Open(asked, index)
                for other in asks.values():
                    if other is not new and other.sort == new.sort:
                        other.alike = new.alike = True
            case Went(client=client):
                for each in asks.values():
                    each.left |= each.asked.client == client
            case Told(ask=ask, answer=answer):
                for invariant, wrong in _told(history, asks.pop(ask), answer, index):
                    yield Broken(invariant, f"ask {ask} {wrong}", index)
            case AtRest():
                for ask in asks:
                    yield Broken("I20", f"ask {ask} was never answered", index)
            case _:
                pass


def _told(history: History, of: _Open, answer: Answer, index: int) -> Iterator[tuple[str, str]]:
    """Say what is wrong with what a user was told, and which invariant that breaks."""
    if not _is_retried(of.asked) and _times_sent(history, of, index) > 1:
        yield "I8", "was sent again, and may have hit what came into being since"
    match answer:
        case Raised(error=error):
            yield "I10", f"raised {error}"
        case Refused(code="outcome_unknown") if not of.left and _is_retried(of.asked):
            yield "I8", "may be sent again, and its user is told to guess"
        case Refused(code="client_closed"):
            if not of.left:
                yield "I20", "is told that there is no connection any more, and its user has stayed"
            if _times_sent(history, of, index):
                yield "I8", "was sent, and its user is told that it was not"
        case _:
            pass


def _times_sent(history: History, of: _Open, index: int) -> int:
    """Return how often it went out before a record, but for what was refused as not begun."""
    if of.alike:
        return 0
    calls = (history.calls[number] for number in history.sent)
    return sum(
        (call.client, call.thread, type(call.operation)) == of.sort
        and of.since < call.called < index
        and call.answer != Refused("draining")
        for call in calls
    )


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
