"""I20: a turn that takes too long, or is silent for too long, is stopped then, and not before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..schedule import TICK
from .broken import Broken

if TYPE_CHECKING:
    from ..history import HandlerRun, History, Logged, TurnHistory


def stopped_when_overdue(history: History) -> Iterator[Broken]:
    """Find turns that ran out of time early, and handlers that were left alone beyond it."""
    for turn in history.turns.values():
        for ending in turn.endings:
            if ending.type == "turn.timed_out":
                yield from _early(history, turn, ending)
        for run in turn.runs:
            abandoned = any(ending.raw.get("abandoned") for ending in turn.endings)
            if run.exited is None or abandoned:
                continue
            # One whose actor failed may have been left to itself, which nothing on disk says.
            if not history.failed_between(run.life, run.thread, run.entered, run.exited):
                yield from _late(history, turn, run, run.exited)


def _early(history: History, turn: TurnHistory, ending: Logged) -> Iterator[Broken]:
    kind, records = history.kinds[ending.thread], history.records
    starts = [event.index for event in turn.of("turn.started")]
    if ending.raw.get("reason") == "deadline":
        began, time = records[starts[-1]].at, kind.deadline
    else:
        said = [index for run in turn.runs for index, _ in run.said if index < ending.index]
        began, time = records[max(starts + said)].at, kind.silence
    if ending.raw["at"] < began + time:
        message = f"{turn.turn} ran out of time, {ending.raw.get('reason')}, and had some left"
        yield Broken("I20", message, ending.index)


def _late(history: History, turn: TurnHistory, run: HandlerRun, exited: int) -> Iterator[Broken]:
    # It may take its grace to stop, and a tick. An item counts as a word before it is durable.
    kind, records = history.kinds[run.thread], history.records
    over = records[exited].at - kind.grace - TICK
    last = max([run.entered, *(index for index, _ in run.said)])
    silent = over > records[last].at + kind.silence and not _has_items(history, turn, run.thread)
    if over > records[run.entered].at + kind.deadline or silent:
        yield Broken("I20", f"{turn.turn} was overdue, and nobody stopped it", exited)


def _has_items(history: History, turn: TurnHistory, thread: str) -> bool:
    own = f"{turn.turn}-"
    records = (event.raw["item"] for event in history.logs[thread] if event.type == "record")
    return bool(turn.of("turn.item")) or any(item.startswith(own) for item in records)
