"""The story of a run: who did what, when, and what each of them saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson

from ..core.effects import Cancelled, ForkReceipt, RecordReceipt, Submitted, Truncated
from ..delivery.batches import CaughtUp, Detached, Events, Presence, Snapshot
from . import facts
from . import read_facts as reads
from . import service_facts as services
from . import wire_facts as wire
from .disk_facts import Compacted
from .schedule import TICK
from .turn_facts import Flushed, Flushes, Kept

if TYPE_CHECKING:
    from ..core.event_codec import Row
    from .recorder import Record


# Events that are told one by one where a whole history comes at once.
TOLD_MOST: Final = 100


def lines(records: Sequence[Record]) -> Iterator[str]:
    """Yield one line for each record, with its life and its tick."""
    for record in records:
        yield f"{record.life}.{record.at / TICK:<5g} {told(record.fact)}"


def told(fact: facts.Fact | wire.WireFact) -> str:
    """Return a fact as a line, without its time."""
    return _TELL[type(fact)](fact)


def _called(fact: facts.Called) -> str:
    argument = f" {fact.argument}" if fact.argument is not None else ""
    who = f"client {fact.client}, thread {fact.thread}"
    return f"{who}: call {fact.call}, {fact.operation}{argument}"


def _answered(fact: facts.Answered) -> str:
    return f"call {fact.call} is answered: {_answer(fact.answer)}"


def _answer(answer: facts.Answer) -> str:
    match answer:
        case Submitted(turn=turn, position=position, duplicate=duplicate):
            return f"{turn} at {position.cursor()}{', again' if duplicate else ''}"
        case RecordReceipt(position=position, duplicate=duplicate):
            return f"recorded at {position.cursor()}{', again' if duplicate else ''}"
        case ForkReceipt(position=position, duplicate=duplicate):
            return f"forked, up to {position.cursor()}{', again' if duplicate else ''}"
        case Cancelled(turn=turn, outcome=outcome, position=position):
            return f"{turn or 'no turn'} {outcome} at {position.cursor()}"
        case Truncated(position=position):
            return f"truncated at {position.cursor()}"
        case facts.Attached(mode=mode, reason=reason, position=position):
            return f"{mode}{f' ({reason})' if reason else ''} at {position.cursor()}"
        case reads.Page(items=items, before=before):
            older = " and older ones" if before is not None else ""
            return f"{' '.join(item.item for item in items) or 'no items'}{older}"
        case reads.Listing(lines=listed):
            shown = (f"{each.thread} at {each.position.cursor()}" for each in listed)
            return ", ".join(shown) or "no threads"
        case facts.Done(existed=existed):
            return "done" if existed else "there was nothing"
        case facts.Refused(code=code, turn=turn):
            return f"refused, {code}{f' {turn}' if turn else ''}"
        case facts.Raised(error=error):
            return f"raised {error}"


def _saw(fact: facts.Saw) -> str:
    return f"subscriber {fact.attachment} sees {_batch(fact.batch)}"


def _batch(batch: Any) -> str:
    match batch:
        case Events(rows=rows):
            return _rows(rows)
        case CaughtUp():
            return f"that it caught up, {batch.cursor}"
        case Presence(roll=roll):
            there = ", ".join(f"{who.principal} x{who.count}" for who in roll.attendees)
            return f"who is there, {batch.cursor}: {there}"
        case Detached(reason=reason):
            return f"its end ({reason}) at {batch.cursor}"
        case Snapshot(items=items, turn=turn, queue=queue, reason=reason):
            live = f"{turn.turn} ({len(turn.items)} items)" if turn else "nothing"
            waiting = ", ".join(queued.turn for queued in queue) or "nobody"
            why = f" ({reason})" if reason else ""
            shown = " ".join(item.item for item in items) or "no items"
            return f"a snapshot{why} at {batch.cursor}: {shown}; {live} runs, {waiting} waits"
    raise AssertionError(batch)


def _stored(fact: facts.Stored) -> str:
    if fact.generation == 0 and len(fact.rows) > TOLD_MOST:
        return f"disk {fact.thread} {fact.epoch}: {len(fact.rows)} events that were there before"
    return f"disk {fact.thread} {fact.epoch} ({fact.generation}): {_rows(fact.rows)}"


def _copied(fact: facts.Copied) -> str:
    after = f" after {fact.after}" if fact.after is not None else ""
    return f"disk {fact.thread} {fact.epoch} ({fact.generation}): forked{after} to {fact.to}"


def _rows(rows: tuple[Row, ...]) -> str:
    return " · ".join(_row(row) for row in rows)


def _row(row: Row) -> str:
    raw = orjson.loads(row.body)
    place = f"{row.offset}" if row.offset == row.to else f"{row.offset}–{row.to}"
    hidden = ("offset", "to", "type", "at", "turn", "author", "item")
    rest = " ".join(f"{key}={value!r}" for key, value in raw.items() if key not in hidden)
    return " ".join(part for part in (place, raw["type"], raw.get("turn", ""), rest) if part)


def _handler(
    fact: facts.Entered
    | facts.Exited
    | facts.Read
    | facts.Said
    | Flushes
    | Flushed
    | facts.Acted
    | Kept,
) -> str:
    attempt = f", attempt {fact.attempt}" if fact.attempt > 1 else ""
    return f"handler of {fact.turn}{attempt}"


def _read(fact: facts.Read) -> str:
    said = " · ".join(f"{each['role']} {each['content']!r}" for each in fact.messages)
    return f"{_handler(fact)} reads {said}"


def _exited(fact: facts.Exited) -> str:
    return f"{_handler(fact)} {f'raises {fact.error}' if fact.error else 'returns'}"


def _service_exited(fact: services.ServiceExited) -> str:
    how = f"raises {fact.error}" if fact.error else "returns"
    return f"service {fact.run} of thread {fact.thread} {how}"


def _service(
    fact: services.Took | services.Noted | services.Counted | services.Held | services.LetGo,
) -> str:
    return f"service {fact.run} of thread {fact.thread}"


def _counted(fact: services.Counted) -> str:
    states = ", ".join(f"{name} {state!r}" for name, state in fact.states.items())
    return f"{_service(fact)} counts {states}"


def _filled(fact: facts.Filled) -> str:
    fill = fact.fill
    most = f"{fill.commands} commands waited, {fill.tail_bytes} bytes of events were in memory"
    return f"at the most {most}, {fill.pieces} pieces, {fill.subscribers} subscribers"


def _drained(fact: facts.Drained) -> str:
    aside = ", ".join(fact.quarantined)
    return f"drained: {fact.restarts} restarts, set aside {aside or 'nothing'}"


def _struck(fact: facts.Struck) -> str:
    return f"{f'thread {fact.thread}: ' if fact.thread else ''}{fact.fault}"


def _closed(fact: facts.Closed) -> str:
    turns = ", ".join(turn for _, turn in fact.abandoned)
    return f"closed{f', but for {turns}' if turns else ''}"


def _asked(fact: wire.Asked) -> str:
    return f"user of client {fact.client}, thread {fact.thread}: ask {fact.ask}, {fact.operation}"


def _followed(fact: wire.Followed) -> str:
    where = f" from {fact.cursor}" if fact.cursor is not None else ""
    return f"user of client {fact.client}: reader {fact.reader} of thread {fact.thread}{where}"


def _allowed(fact: wire.Allowed) -> str:
    may = "may" if fact.allowed else "may not"
    return f"{fact.principal} {may} see and change thread {fact.thread}"


_TELL: Final[dict[type, Callable[[Any], str]]] = {
    facts.Opening: lambda fact: "the process starts",
    facts.Opened: lambda fact: "the runtime is open",
    facts.Closing: lambda fact: "the runtime drains",
    facts.Filled: _filled,
    facts.Drained: _drained,
    facts.Closed: _closed,
    facts.KindGiven: lambda fact: f"thread {fact.thread} retries: {fact.retry}",
    facts.Killed: lambda fact: "the process is killed",
    facts.Called: _called,
    facts.Answered: _answered,
    facts.Lost: lambda fact: f"call {fact.call} is lost",
    facts.Unanswered: lambda fact: f"call {fact.call} was never answered",
    facts.Saw: _saw,
    facts.CutOff: lambda fact: f"subscriber {fact.attachment} is cut off, {fact.code}",
    facts.Left: lambda fact: f"subscriber {fact.attachment} is gone",
    facts.Entered: lambda fact: f"{_handler(fact)} runs",
    facts.Read: _read,
    facts.Said: lambda fact: f"{_handler(fact)} says {fact.text!r}",
    Flushes: lambda fact: f"{_handler(fact)} waits until all that is durable",
    Flushed: lambda fact: f"{_handler(fact)} knows all that durable",
    Kept: lambda fact: f"{_handler(fact)} knows {fact.item} durable",
    facts.Exited: _exited,
    facts.Acted: lambda fact: f"{_handler(fact)}: {fact.what} takes effect",
    services.ServiceEntered: lambda fact: f"service {fact.run} of thread {fact.thread} runs",
    services.ServiceExited: _service_exited,
    services.Took: lambda fact: f"{_service(fact)} takes {fact.data!r}",
    services.Noted: lambda fact: f"{_service(fact)} recorded at {fact.position.cursor()}",
    services.Counted: _counted,
    services.Held: lambda fact: f"{_service(fact)} has {fact.lease}",
    services.LetGo: lambda fact: f"{_service(fact)} lets go of {fact.lease}",
    services.LeaseTaken: lambda fact: f"{fact.lease} is leased to thread {fact.thread}",
    services.RenewalAsked: lambda fact: f"{fact.lease} is to be renewed",
    services.LeaseRenewed: lambda fact: f"{fact.lease} is renewed",
    services.LeaseReturned: lambda fact: f"{fact.lease} is given back",
    facts.Claimed: lambda fact: f"thread {fact.thread} is claimed ({fact.generation})",
    facts.Stored: _stored,
    facts.Copied: _copied,
    Compacted: lambda fact: f"disk {fact.thread} {fact.epoch}, compacted: {_rows(fact.rows)}",
    facts.Struck: _struck,
    facts.Rested: lambda fact: "nobody has had anything to do for long",
    facts.AtRest: lambda fact: "everything is at rest",
    facts.Stuck: lambda fact: f"stuck: {fact.what}",
    wire.Connected: lambda fact: (
        f"client {fact.client} has connection {fact.connection}, as {fact.principal}"
    ),
    wire.Disconnected: lambda fact: f"connection {fact.connection} is over ({fact.code})",
    wire.Befell: lambda fact: f"network: connection {fact.connection}, {fact.what}",
    wire.Strayed: lambda fact: (
        f"connection {fact.connection} strays from rule {fact.rule}: {fact.what}"
    ),
    wire.Sent: lambda fact: f"call {fact.call} goes out on connection {fact.connection}",
    wire.Welcomed: lambda fact: (
        f"connection {fact.connection} is welcome as {fact.principal} until {fact.until / TICK:g}"
    ),
    wire.TurnedAway: lambda fact: f"connection {fact.connection} shows nothing that is any good",
    wire.Delivered: lambda fact: (
        f"the server puts {fact.what} of thread {fact.thread} on connection {fact.connection}"
    ),
    wire.Allowed: _allowed,
    wire.Asked: _asked,
    wire.Told: lambda fact: f"ask {fact.ask} is told: {_answer(fact.answer)}",
    wire.Went: lambda fact: f"user of client {fact.client} closes it",
    wire.Followed: _followed,
    wire.Shown: lambda fact: f"reader {fact.reader} is shown {_batch(fact.batch)}",
    wire.Unfollowed: lambda fact: f"reader {fact.reader} is over",
    facts.Surprise: lambda fact: f"unexpected: {fact.what}",
}
