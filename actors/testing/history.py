"""A run's records put in order for those who judge it: calls, attachments, turns, rows on disk."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from ..actor.kinds import OnExit
from ..core.event_codec import Row
from ..core.position import Position
from .facts import (
    Acted,
    Answered,
    Called,
    Closing,
    Copied,
    Drained,
    Entered,
    Exited,
    Fault,
    Killed,
    KindGiven,
    Left,
    Lost,
    Opened,
    Opening,
    Said,
    Saw,
    Stored,
    Struck,
    Unanswered,
)
from .history_parts import (
    ENDINGS,
    FORKED,
    Blow,
    Call,
    HandlerRun,
    Life,
    Logged,
    ServiceRun,
    TurnHistory,
)
from .service_facts import ServiceEntered, ServiceExited
from .turn_facts import Flushed, Flushes
from .wire_facts import Connected, Sent

if TYPE_CHECKING:
    from .recorder import Record

__all__ = [
    "ENDINGS",
    "FORKED",
    "Blow",
    "Call",
    "HandlerRun",
    "History",
    "Life",
    "Logged",
    "ServiceRun",
    "TurnHistory",
]

# What ends the activations of a thread; a journal is not opened anew before they are over.
_FAILURES = (Fault.JOURNAL, Fault.REOPENED, Fault.ACTOR, Fault.SERVICE, Fault.DAMAGE)


class History:
    """Everything that was seen, once over and indexed.

    Args:
        records: in the order in which they happened.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.calls: dict[int, Call] = {}
        self.seen: defaultdict[int, list[tuple[int, Saw]]] = defaultdict(list)
        self.left: dict[int, int] = {}
        self.principals: dict[int, str] = {}  # by connection
        self.sent: dict[int, int] = {}  # by call: the connection that it went out on
        self.logs: defaultdict[str, list[Logged]] = defaultdict(list)
        # By source: each copy as an event of it, which its log does not have.
        self.forks: defaultdict[str, list[Logged]] = defaultdict(list)
        self.at: dict[tuple[str, int, int], Logged] = {}
        self.turns: dict[str, TurnHistory] = {}
        self.runs: dict[tuple[str, int, int], HandlerRun] = {}
        self.services: dict[tuple[int, int], ServiceRun] = {}  # by life and number
        self.lives: dict[int, Life] = {}
        self.kinds: dict[str, KindGiven] = {}
        self.struck: list[Blow] = []
        self._places: defaultdict[type, list[int]] = defaultdict(list)
        for index, record in enumerate(records):
            sort = type(record.fact)
            self._places[sort].append(index)
            take = _TAKE.get(sort)
            if take is not None:
                take(self, index, record.life, record.fact)

    def of(self, *sorts: type) -> list[tuple[int, Record]]:
        """Return the records of facts of these types, each with its place, in their order."""
        places = [place for sort in sorts for place in self._places.get(sort, ())]
        return [(place, self.records[place]) for place in sorted(places)]

    def turn(self, turn: str) -> TurnHistory:
        """Return what is known of a turn; nothing where it was never heard of."""
        return self.turns.get(turn) or TurnHistory(turn)

    def head(self, thread: str, index: int, first_epoch: int = 1) -> Position:
        """Return the durable head of a thread as it was before a record."""
        head = Position(first_epoch, 0)
        for event in self.logs[thread]:
            if event.index >= index:
                break
            deleted = event.type == "thread.deleted"
            head = Position(event.epoch + 1, 0) if deleted else event.position
        return head

    def is_unsettled(self, thread: str, index: int) -> bool:
        """Say whether a turn of the thread had no ending on disk, as it was before a record."""
        before = [event for event in self.logs[thread] if event.index < index]
        ended = {event.raw["turn"] for event in before if event.ends}
        return any(event.raw.get("turn") not in {None, *ended} for event in before)

    def blows(self, life: int, thread: str, start: int, stop: int, *faults: Fault) -> list[Blow]:
        """Return which faults struck a thread, or all, between two records of a life."""
        return [
            blow
            for blow in self.struck
            if (blow.life, start <= blow.index < stop) == (life, True)
            and blow.fault in faults
            and blow.thread in (None, thread)
        ]

    def failed_between(self, life: int, thread: str, start: int, stop: int) -> bool:
        """Say whether a fault may have ended an activation of the thread between two records."""
        return bool(self.blows(life, thread, start, stop, *_FAILURES))

    def first_at(self, index: int) -> int:
        """Return the first record of the instant of some record."""
        return bisect_left(self.records, self.records[index].at, key=lambda record: record.at)

    def is_damaged(self, thread: str, index: int) -> bool:
        """Say whether the thread's rows were damaged, as it was before a record."""
        blows = [b for b in self.struck if b.thread == thread and b.index < index]
        healed = [b for b in blows if b.fault in (Fault.DAMAGE, Fault.MENDED)]
        return bool(healed) and healed[-1].fault is Fault.DAMAGE

    def ended_by_service(self, ending: Logged) -> bool:
        """Say whether an event may come of a service that was over, where that ends its thread."""
        closed = (
            event.index
            for event in self.logs[ending.thread]
            if event.type in ("thread.ended", "thread.deleted") and event.index < ending.index
        )
        since = max(closed, default=-1)
        ends = self.ends_by_service(ending.life, ending.thread)
        return any(since < end < ending.index for end in ends)

    def ends_by_service(self, life: int, thread: str) -> list[int]:
        """Return the records at which a service was over, where that ends its thread."""
        if self.kinds[thread].on_exit is not OnExit.END_THREAD:
            return []
        services = self.services.values()
        own = (each for each in services if (each.life, each.thread) == (life, thread))
        return [each.exited for each in own if each.exited is not None and each.ended_itself]

    def epoch_log(self, thread: str, position: Position) -> list[Logged]:
        """Return the events of a thread's life up to a position."""
        return [
            event
            for event in self.logs[thread]
            if event.epoch == position.epoch and event.row.to <= position.offset
        ]


def _called(history: History, index: int, life: int, fact: Called) -> None:
    call = Call(
        fact.call,
        life,
        fact.client,
        fact.thread,
        fact.operation,
        fact.argument,
        called=index,
        principal=fact.principal,
    )
    history.calls[fact.call] = call


def _answered(history: History, index: int, life: int, fact: Answered) -> None:
    call = history.calls[fact.call]
    call.over, call.answer = index, fact.answer


def _over(history: History, index: int, life: int, fact: Lost | Unanswered) -> None:
    history.calls[fact.call].over = index


def _saw(history: History, index: int, life: int, fact: Saw) -> None:
    history.seen[fact.attachment].append((index, fact))


def _left(history: History, index: int, life: int, fact: Left) -> None:
    history.left[fact.attachment] = index


def _sent(history: History, index: int, life: int, fact: Sent) -> None:
    history.sent[fact.call] = fact.connection
    history.calls[fact.call].principal = history.principals[fact.connection]


def _connected(history: History, index: int, life: int, fact: Connected) -> None:
    history.principals[fact.connection] = fact.principal


def _stored(history: History, index: int, life: int, fact: Stored) -> None:
    logged: Logged | None = None
    for row in fact.rows:
        raw = orjson.loads(row.body)
        if row.offset in fact.owners:  # a record itself does not name whose it is
            raw.setdefault("author", fact.owners[row.offset])
        place = index, life, fact.thread, fact.generation, fact.epoch
        logged = Logged(*place, row, raw, behind=logged)
        history.logs[fact.thread].append(logged)
        history.at[fact.thread, fact.epoch, row.offset] = logged
        if "turn" in raw and not logged.copied:
            known = history.turns.setdefault(raw["turn"], TurnHistory(raw["turn"]))
            known.events.append(logged)


def _copied(history: History, index: int, life: int, fact: Copied) -> None:
    raw = {
        "type": FORKED,
        "to": fact.to,
        "after": fact.after,
        "made": (fact.made.epoch, fact.made.offset),
    }
    if fact.key is not None:
        raw |= {"key": fact.key, "author": fact.author}
    place = Row(0, 0, b"")
    logged = Logged(index, life, fact.thread, fact.generation, fact.epoch, place, raw)
    history.forks[fact.thread].append(logged)


def _entered(history: History, index: int, life: int, fact: Entered) -> None:
    run = HandlerRun(fact.thread, fact.turn, fact.attempt, life, index)
    history.runs[fact.turn, fact.attempt, life] = run
    history.turns.setdefault(fact.turn, TurnHistory(fact.turn)).runs.append(run)


def _said(history: History, index: int, life: int, fact: Said) -> None:
    run = history.runs[fact.turn, fact.attempt, life]
    run.said.append((index, fact.text))
    run.channels.append(fact.channel)


def _flushes(history: History, index: int, life: int, fact: Flushes) -> None:
    history.runs[fact.turn, fact.attempt, life].flushes.append(index)


def _flushed(history: History, index: int, life: int, fact: Flushed) -> None:
    history.runs[fact.turn, fact.attempt, life].flushed.append(index)


def _acted(history: History, index: int, life: int, fact: Acted) -> None:
    history.runs[fact.turn, fact.attempt, life].acted.append((index, fact.what))


def _exited(history: History, index: int, life: int, fact: Exited) -> None:
    run = history.runs[fact.turn, fact.attempt, life]
    run.exited, run.error, run.words = index, fact.error, fact.words


def _service_entered(history: History, index: int, life: int, fact: ServiceEntered) -> None:
    history.services[life, fact.run] = ServiceRun(fact.thread, fact.run, life, index)


def _service_exited(history: History, index: int, life: int, fact: ServiceExited) -> None:
    service = history.services[life, fact.run]
    service.exited, service.error = index, fact.error


def _opening(history: History, index: int, life: int, fact: Opening) -> None:
    history.lives[life] = Life(life, index, limits=fact.limits, slowest=fact.slowest)


def _opened(history: History, index: int, life: int, fact: Opened) -> None:
    history.lives[life].opened = index


def _closing(history: History, index: int, life: int, fact: Closing) -> None:
    history.lives[life].closing = index


def _drained(history: History, index: int, life: int, fact: Drained) -> None:
    history.lives[life].drained = index


def _struck(history: History, index: int, life: int, fact: Struck) -> None:
    at = history.records[index].at
    history.struck.append(Blow(index, life, at, fact.fault, fact.thread))


def _killed(history: History, index: int, life: int, fact: Killed) -> None:
    history.lives[life].killed = index


def _kind_given(history: History, index: int, life: int, fact: KindGiven) -> None:
    history.kinds[fact.thread] = fact


_TAKE: dict[type, Any] = {
    KindGiven: _kind_given,
    Called: _called,
    Answered: _answered,
    Lost: _over,
    Unanswered: _over,
    Saw: _saw,
    Left: _left,
    Connected: _connected,
    Sent: _sent,
    Stored: _stored,
    Copied: _copied,
    Entered: _entered,
    Said: _said,
    Flushes: _flushes,
    Flushed: _flushed,
    Exited: _exited,
    Acted: _acted,
    ServiceEntered: _service_entered,
    ServiceExited: _service_exited,
    Opening: _opening,
    Opened: _opened,
    Closing: _closing,
    Drained: _drained,
    Struck: _struck,
    Killed: _killed,
}
