"""I6: a cancel touches the turn that it is for and no other; its answer means that it is over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf
from typing import TYPE_CHECKING

from ...core.effects import Cancelled, CancelOutcome
from ..facts import Refused
from ..operations import Cancel, Delete, End
from .broken import Broken
from .i5_bystanders import ends_by_itself, may_end
from .model import model_of

if TYPE_CHECKING:
    from ..history import Call, HandlerRun, History, Logged, TurnHistory


def settled_cancels(history: History) -> Iterator[Broken]:
    """Find cancels that hit another turn, answers that came too early, and output that was lost."""
    for call in history.calls.values():
        if isinstance(call.answer, Cancelled) and call.over is not None:
            yield from _settled(history, call, call.answer, call.over)
        elif isinstance(call.operation, Cancel) and isinstance(call.answer, Refused):
            yield from _refused(history, call, call.answer)
    for turn in history.turns.values():
        for ending in turn.endings:
            if ending.type == "turn.cancelled" and not _meant(history, turn, ending):
                message = f"{turn.turn} was cancelled by a command for another turn"
                yield Broken("I6", message, ending.index)
            yield from _lost_output(history, turn, ending)


def _meant(history: History, turn: TurnHistory, ending: Logged) -> bool:
    calls = [call for call in history.calls.values() if may_end(call, turn, ending)]
    return ends_by_itself(history, ending) or any(is_for(call, turn.turn) for call in calls)


def is_for(call: Call, turn: str) -> bool:
    """Say whether a call was to end a turn, or may have been."""
    if isinstance(call.operation, End | Delete):
        return call.operation != Delete(unless_used=True)
    if not isinstance(call.operation, Cancel):
        return False
    if call.argument is not None:
        return call.argument == turn
    if call.may_have_happened:
        return True
    return isinstance(call.answer, Cancelled) and call.answer.turn == turn


def _settled(history: History, call: Call, answer: Cancelled, over: int) -> Iterator[Broken]:
    if answer.outcome is CancelOutcome.NOTHING_RUNNING:
        live = model_of(history.epoch_log(call.thread, answer.position)).live
        if live is not None:
            yield Broken("I6", f"call {call.number}: nothing runs, it says, but {live} does", over)
        return
    turn = history.turn(answer.turn or "")
    if call.argument is not None and answer.turn != call.argument:
        yield Broken("I6", f"call {call.number} was answered for {answer.turn}", over)
    ending = next((e for e in turn.endings if e.index < over), None)
    if ending is None:
        yield Broken("I6", f"call {call.number}: {answer.turn} has no durable ending", over)
        return
    if not _fits(answer.outcome, ending):
        message = f"call {call.number} was told {answer.outcome}, and {turn.turn} is {ending.type}"
        yield Broken("I6", message, over)
    if answer.outcome is CancelOutcome.CANCELLED and not _stopped(turn, ending, over):
        yield Broken("I6", f"call {call.number}: the handler of {turn.turn} still runs", over)
    # A fork has the turn as well, at a place of its own.
    here = (ending.thread, ending.epoch) == (call.thread, answer.position.epoch)
    if here and answer.position < ending.position:
        yield Broken("I6", f"call {call.number} was told a place before the ending", over)


def _fits(outcome: CancelOutcome, ending: Logged) -> bool:
    abandoned = bool(ending.raw.get("abandoned"))
    match outcome:
        case CancelOutcome.CANCELLED:
            return ending.type == "turn.cancelled" and not abandoned
        case CancelOutcome.ABANDONED:
            return abandoned
        case _:
            return True


def _stopped(turn: TurnHistory, ending: Logged, index: int) -> bool:
    started = (e.raw["attempt"] for e in turn.of("turn.started") if e.index < ending.index)
    # An earlier attempt was let go when its grace had run out, which is judged by I1.
    latest = max(started, default=1)
    runs = [run for run in turn.runs if (run.life, run.attempt) == (ending.life, latest)]
    return all(run.exited is not None and run.exited < index for run in runs)


def _refused(history: History, call: Call, answer: Refused) -> Iterator[Broken]:
    if answer.code != "turn_not_found" or call.argument is None:
        return
    # A fork has no turn that its source was given later.
    submitted = [
        event
        for event in history.turn(call.argument).of("turn.submitted")
        if event.thread == call.thread and event.index < call.called
    ]
    if submitted and not _gone(history, call, submitted[0]):
        message = f"call {call.number}: {call.argument} is not there, it says"
        yield Broken("I6", message, call.over or call.called)


def _gone(history: History, call: Call, submitted: Logged) -> bool:
    return any(
        event.type in ("thread.deleted", "thread.truncated") and event.index > submitted.index
        for event in history.logs[call.thread]
    )


def _lost_output(history: History, turn: TurnHistory, ending: Logged) -> Iterator[Broken]:
    for run in turn.runs:
        if run.life != ending.life:
            continue
        said, stored = _text(run, ending), _stored(turn, run)
        failed = history.failed_between(run.life, run.thread, turn.events[0].index, ending.index)
        if said != stored and not (failed and said.startswith(stored)):
            message = f"{turn.turn} said {said!r}, and {stored!r} is kept"
            yield Broken("I6", message, ending.index)


def _text(run: HandlerRun, ending: Logged) -> str:
    pieces = zip(run.said, run.channels, strict=True)
    return _joined((text, channel) for (index, text), channel in pieces if index < ending.index)


def _stored(turn: TurnHistory, run: HandlerRun) -> str:
    started = {event.raw["attempt"]: event.row.offset for event in turn.of("turn.started")}
    since = started.get(run.attempt, 0)
    until = started.get(run.attempt + 1, inf)
    deltas = turn.of("turn.delta")
    own = (event.raw for event in deltas if since < event.row.offset < until)
    return _joined((raw["text"], raw.get("channel")) for raw in own)


def _joined(pieces: Iterable[tuple[str, str | None]]) -> str:
    """Return the text, with a word wherever another channel begins."""
    whole, before = "", None
    for text, channel in pieces:
        whole += text if channel == before else f"[{channel or 'answer'}] {text}"
        before = channel
    return whole
