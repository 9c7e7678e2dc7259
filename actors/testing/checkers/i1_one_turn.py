"""I1: at most one turn of a thread runs, and the next only when the last one's scope has exited."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .broken import Broken

if TYPE_CHECKING:
    from ..history import HandlerRun, History, TurnHistory


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
        yield from _ended_too_early(turn)


def _beside(history: History, earlier: HandlerRun, later: HandlerRun) -> bool:
    if (earlier.thread, earlier.life) != (later.thread, later.life):
        return False
    if earlier.exited is not None and earlier.exited < later.entered:
        return False
    endings = history.turn(earlier.turn).endings
    return not any(e.raw.get("abandoned") and e.index < later.entered for e in endings)


def _was_started(turn: TurnHistory, run: HandlerRun) -> bool:
    return any(
        event.raw["attempt"] == run.attempt and event.index < run.entered
        for event in turn.of("turn.started")
    )


def _ended_too_early(turn: TurnHistory) -> Iterator[Broken]:
    for ending in turn.endings:
        for run in turn.runs:
            running = run.life == ending.life and run.entered < ending.index
            if running and not ending.raw.get("abandoned") and _exits_after(run, ending.index):
                message = f"{turn.turn} was declared ended before its handler had stopped"
                yield Broken("I1", message, ending.index)


def _exits_after(run: HandlerRun, index: int) -> bool:
    return run.exited is None or run.exited > index
