"""I1: at most one turn of a thread runs, and the next only when the last one's scope has exited."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from .broken import Broken
from .keyed import given_by
from .model import Model

if TYPE_CHECKING:
    from ..history import Call, HandlerRun, History, Logged, TurnHistory


def one_turn_at_a_time(history: History) -> Iterator[Broken]:
    """Find turns that ran beside each other, or before or after they were allowed to."""
    runs = sorted(history.runs.values(), key=lambda run: run.entered)
    for number, run in enumerate(runs):
        for earlier in runs[:number]:
            if _beside(history, earlier, run):
                message = f"{run.turn} began to run while {earlier.turn} had not stopped"
                yield Broken("I1", message, run.entered)
        if not _was_started(history.turn(run.turn), run):
            yield Broken("I1", f"{run.turn} runs before its start is durable", run.entered)
    for turn in history.turns.values():
        yield from _ended_too_early(history, turn)
        yield from _abandoned_wrongly(history, turn)
    for log in history.logs.values():
        yield from _out_of_turn(log)


def _beside(history: History, earlier: HandlerRun, later: HandlerRun) -> bool:
    if (earlier.thread, earlier.life) != (later.thread, later.life):
        return False
    if earlier.exited is not None and earlier.exited < later.entered:
        return False
    if _was_stranded(history, earlier, later.entered):
        return False
    endings = history.turn(earlier.turn).endings
    return not any(e.raw.get("abandoned") and e.index < later.entered for e in endings)


def _was_stranded(history: History, run: HandlerRun, index: int) -> bool:
    """Say whether a run's actor failed, and its grace ran out since, as it was before a record.

    Nothing on disk says so: what it was doing is settled by the next activation.
    """
    records = history.records
    grace = history.kinds[run.thread].grace
    if history.is_damaged(run.thread, run.entered):
        # It may have failed as soon as it wrote.
        return records[index].at - records[run.entered].at >= grace
    # It may be stopped before its handler is called: the history is read for that.
    starts = (e.index for e in history.turn(run.turn).of("turn.started") if e.index < run.entered)
    started = max(starts, default=run.entered)
    if not history.failed_between(run.life, run.thread, started, index):
        return False
    stops = [b.index for b in history.struck]
    calls = (call for call in history.calls.values() if _may_stop(call, run, started))
    stops += [max(call.called, started) for call in calls]
    stops += history.ends_by_service(run.life, run.thread)
    began = min(records[stop].at for stop in stops if stop >= started)
    life = history.lives[run.life]
    if life.closing is not None:
        began = min(began, records[life.closing].at + life.limits.drain_seconds)
    overdue = records[started].at + history.kinds[run.thread].overdue
    return records[index].at - min(began, overdue) >= grace


def _may_stop(call: Call, run: HandlerRun, started: int) -> bool:
    """Say whether a call may have stopped a run: it may have been under way as that started."""
    ended = call.over is not None and call.over < started
    return call.thread == run.thread and given_by(call) != run.turn and not ended


def _was_started(turn: TurnHistory, run: HandlerRun) -> bool:
    return any(
        event.raw["attempt"] == run.attempt and event.index < run.entered
        for event in turn.of("turn.started")
    )


def _ended_too_early(history: History, turn: TurnHistory) -> Iterator[Broken]:
    for ending in turn.endings:
        for run in turn.runs:
            running = run.life == ending.life and run.entered < ending.index
            left = ending.raw.get("abandoned") or _was_stranded(history, run, ending.index)
            if running and not left and _exits_after(run, ending.index):
                message = f"{turn.turn} was declared ended before its handler had stopped"
                yield Broken("I1", message, ending.index)


def _abandoned_wrongly(history: History, turn: TurnHistory) -> Iterator[Broken]:
    for ending in turn.endings:
        if not ending.raw.get("abandoned"):
            continue
        began = [event.raw["at"] for event in turn.of("turn.started")]
        if began and ending.raw["at"] - began[-1] < history.kinds[ending.thread].grace:
            yield Broken("I1", f"{turn.turn} was abandoned before its grace ran out", ending.index)
        if ending.type in ("turn.completed", "turn.failed"):
            yield Broken("I1", f"{turn.turn} had stopped when it was abandoned", ending.index)


def _out_of_turn(log: list[Logged]) -> Iterator[Broken]:
    for _, life in groupby(log, key=lambda event: event.epoch):
        model = Model()
        for event in life:
            next_one = model.live or next(iter(model.queue), None)
            if event.type == "turn.started" and event.raw["turn"] != next_one:
                message = f"{event.raw['turn']} was started, and it was the turn of {next_one}"
                yield Broken("I1", message, event.index)
                return
            model.take(event)


def _exits_after(run: HandlerRun, index: int) -> bool:
    return run.exited is None or run.exited > index
