"""I9: a restart settles what was running, once, before it serves; what waited still waits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from ...core.commands import FINALISING
from ..facts import Claimed
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History, Life, Logged, TurnHistory


def settled_once(history: History) -> Iterator[Broken]:
    """Find turns that a restart left open, gave up without need, or ran again unasked."""
    for life in history.lives.values():
        yield from _needless_start(history, life)
        if life.opened is not None:
            yield from _left_open(history, life, life.opened)
    for turn in history.turns.values():
        yield from _needless(turn)
        yield from _run_again(history, turn)
        yield from _given_up(history, turn)


def _left_open(history: History, life: Life, opened: int) -> Iterator[Broken]:
    for turn in history.turns.values():
        started = [e for e in turn.of("turn.started") if e.index < opened]
        ended = any(ending.index < opened for ending in turn.endings)
        if started and started[-1].life < life.number and not ended:
            if _was_hindered(history, life, started[-1].thread, opened):
                continue
            message = f"{turn.turn} is open when life {life.number} begins to serve"
            yield Broken("I9", message, opened)


def _was_hindered(history: History, life: Life, thread: str, opened: int) -> bool:
    """Say whether a fault kept the restart from settling a thread, which it then sets aside."""
    failed = history.failed_between(life.number, thread, life.opening, opened)
    return failed or history.is_damaged(thread, opened)


def _needless(turn: TurnHistory) -> Iterator[Broken]:
    for ending in turn.endings:
        if ending.type == "turn.interrupted" and not turn.of("turn.started"):
            yield Broken("I9", f"{turn.turn} only waited, and was interrupted", ending.index)


def _claimed(history: History, event: Logged) -> int:
    """Return when the activation began that stored an event."""
    claims = (
        index
        for index, record in history.of(Claimed)
        if record.fact == Claimed(event.thread, event.generation) and record.life == event.life
    )
    return next(claims, event.index)


def may_run_again(history: History, turn: str, thread: str) -> bool:
    """Say whether a turn that was left open is run again: any of some kinds, and finalising."""
    return turn == FINALISING or history.kinds[thread].retry


def _given_up(history: History, turn: TurnHistory) -> Iterator[Broken]:
    """Find a turn that a start gave up, although it might have been run once more."""
    for ending in turn.endings:
        started = [event for event in turn.of("turn.started") if event.index < ending.index]
        if ending.type != "turn.interrupted" or not started or ending.raw.get("abandoned"):
            continue
        if ending.life not in history.lives:
            continue
        left = started[-1].life < ending.life or turn.turn == FINALISING
        more = started[-1].raw["attempt"] < history.lives[ending.life].limits.turn_attempts
        if left and more and may_run_again(history, turn.turn, ending.thread):
            yield Broken("I9", f"{turn.turn} was given up, and not run again", ending.index)


def _run_again(history: History, turn: TurnHistory) -> Iterator[Broken]:
    for before, started in pairwise(turn.of("turn.started")):
        thread, life = started.thread, started.life
        if life not in history.lives:  # it belongs to a past that was read
            continue
        # It may have failed before what it was storing was stored.
        since = _claimed(history, before)
        crashed = before.life < life or history.failed_between(life, thread, since, started.index)
        if not crashed or not may_run_again(history, turn.turn, thread):
            yield Broken("I9", f"{turn.turn} was started again for no reason", started.index)
        if started.raw["attempt"] > history.lives[life].limits.turn_attempts:
            yield Broken("I9", f"{turn.turn} was started more often than it may be", started.index)
    seen: set[int] = set()
    for run in turn.runs:
        if run.attempt in seen:
            yield Broken("I9", f"{turn.turn} ran twice as attempt {run.attempt}", run.entered)
        seen.add(run.attempt)


def _needless_start(history: History, life: Life) -> Iterator[Broken]:
    until = life.opened if life.opened is not None else len(history.records)
    for thread, log in history.logs.items():
        if history.is_unsettled(thread, life.opening):
            continue
        for event in log:
            if life.opening < event.index < until and event.life == life.number:
                message = f"a restart wrote {event.type}, although nothing was open"
                yield Broken("I9", message, event.index)
