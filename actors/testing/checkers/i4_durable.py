"""I4: what was acknowledged is on disk, and so is whatever a subscriber saw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core.effects import Cancelled, ForkReceipt, RecordReceipt, Submitted, Truncated
from ...core.resume import Mode
from ...delivery.batches import Events, Snapshot
from ..facts import Attached, Done, Refused
from ..operations import Cursor, Delete, End, Finalise, Fork
from ..turn_facts import Kept
from .broken import Broken

if TYPE_CHECKING:
    from ...core.position import Position
    from ..history import Call, HandlerRun, History


def nothing_unsaid(history: History) -> Iterator[Broken]:
    """Find what was told, or shown, before it was durable, and what a restart took back."""
    for call in history.calls.values():
        if call.over is not None:
            yield from _told(history, call, call.over)
        if isinstance(call.answer, Attached):
            yield from _shown(history, call)
            yield from _taken_back(call, call.answer)
    for run in history.runs.values():
        yield from _flushed(history, run)
    yield from _kept(history)


def _told(history: History, call: Call, over: int) -> Iterator[Broken]:
    match call.answer:
        case Submitted(duplicate=True, position=position) if call.operation == Finalise():
            if not _durable(history, call.thread, position, over):
                message = f"call {call.number} was told {position.cursor()} ahead of the disk"
                yield Broken("I4", message, over)
        case Submitted(turn=turn, position=position):
            event = history.at.get((call.thread, position.epoch, position.offset))
            if event is None or event.raw.get("turn") != turn or event.index > over:
                message = f"{turn} was acknowledged at {position.cursor()}, and is not on disk"
                yield Broken("I4", message, over)
        case RecordReceipt(position=position):
            event = history.at.get((call.thread, position.epoch, position.offset))
            if event is None or event.type != "record" or event.index > over:
                message = f"a record was acknowledged at {position.cursor()}, and is not on disk"
                yield Broken("I4", message, over)
        case ForkReceipt(position=position) if isinstance(call.operation, Fork):
            event = history.at.get((call.operation.to, position.epoch, position.offset))
            if event is None or not event.copied or event.index > over:
                message = f"{call.operation.to} was acknowledged, and is not on disk"
                yield Broken("I4", message, over)
        case Cancelled(position=position) | Truncated(position=position):
            if not _durable(history, call.thread, position, over):
                message = f"call {call.number} was told {position.cursor()} ahead of the disk"
                yield Broken("I4", message, over)
        case Done(existed=True):
            if not _closed(history, call, over):
                message = f"call {call.number} was acknowledged and left nothing on disk"
                yield Broken("I4", message, over)
        case Refused(turn=str(turn)):
            events = history.turn(turn).events
            if not events or events[0].index > over:
                message = f"call {call.number} was refused for {turn}, which is not on disk"
                yield Broken("I4", message, over)
        case _:
            pass


def _closed(history: History, call: Call, over: int) -> bool:
    wanted = {End: "thread.ended", Delete: "thread.deleted"}.get(type(call.operation))
    return wanted is None or any(
        event.type == wanted and call.called < event.index < over
        for event in history.logs[call.thread]
    )


def _durable(history: History, thread: str, position: Position, index: int) -> bool:
    head = history.head(thread, index)
    return position.epoch < head.epoch or position <= head


def _shown(history: History, call: Call) -> Iterator[Broken]:
    for index, saw in history.seen[call.number]:
        if isinstance(saw.batch, Snapshot | Events) and not _durable(
            history, call.thread, saw.batch.position, index
        ):
            message = f"subscriber {call.number} saw {saw.batch.cursor} ahead of the disk"
            yield Broken("I4", message, index)


def _taken_back(call: Call, attached: Attached) -> Iterator[Broken]:
    given = getattr(call.operation, "cursor", None) in (Cursor.HELD, Cursor.STALE)
    lost = attached.mode is Mode.RESET and attached.reason != "deleted"
    if given and call.argument is not None and lost:
        message = f"cursor {call.argument}, given before, is {attached.reason}"
        yield Broken("I4", message, call.over or call.called)


def _flushed(history: History, run: HandlerRun) -> Iterator[Broken]:
    for index in run.flushed:
        said = "".join(text for at, text in run.said if at < index)
        deltas = history.turn(run.turn).of("turn.delta")
        stored = "".join(event.raw["text"] for event in deltas if event.index < index)
        if not stored.endswith(said):
            yield Broken("I4", f"{run.turn} was told that {said!r} is durable", index)


def _kept(history: History) -> Iterator[Broken]:
    stored = {
        event.raw["item"]: event.index
        for log in history.logs.values()
        for event in log
        if event.type in ("turn.item", "record") and not event.copied
    }
    for index, record in history.of(Kept):
        if isinstance(record.fact, Kept) and stored.get(record.fact.item, index) >= index:
            turn, item = record.fact.turn, record.fact.item
            yield Broken("I4", f"{turn} was told that {item} is durable, and it is not", index)
