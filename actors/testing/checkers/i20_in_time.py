"""I20: what a handler says is on disk within bounded time, however slow those are who watch."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from math import inf
from typing import TYPE_CHECKING, Final

from ..schedule import TICK
from .broken import Broken

if TYPE_CHECKING:
    from ..history import HandlerRun, History, Logged

# Steps from a piece's acceptance to its place on disk: the commit that is under way, the rest that
# follows it, the one that takes the piece along, and one to spare, each as late as can be drawn.
_STEPS: Final = 4


def written_in_time(history: History) -> Iterator[Broken]:
    """Find pieces that were accepted and then waited, for something else than the disk."""
    for turn in history.turns.values():
        for run in turn.runs:
            # What another attempt says is not what this one said.
            again = min((r.entered for r in turn.runs if r.entered > run.entered), default=inf)
            deltas = [event for event in turn.of("turn.delta") if event.index < again]
            yield from _late(history, run, deltas)
            yield from _waits_on(history, run, deltas)


def _waits_on(history: History, run: HandlerRun, deltas: list[Logged]) -> Iterator[Broken]:
    """Find who is not told that all it said is durable, although it is."""
    for number, asked in enumerate(run.flushes):
        told = next(iter(run.flushed[number:]), inf)
        length = sum(len(text) for index, text in run.said if index < asked)
        own = [e for e in deltas if e.life == run.life and e.index > run.entered]
        stored = zip(accumulate(len(e.raw["text"]) for e in own), own, strict=True)
        event = next((event for until, event in stored if until >= length), None)
        gone = (run.exited, history.lives[run.life].killed)
        over = min(told, *(at for at in gone if at is not None), len(history.records) - 1)
        if event is None or history.failed_between(run.life, run.thread, asked, int(over)):
            continue
        since = history.records[max(event.index, asked)].at
        if (history.records[int(over)].at - since) / TICK > history.lives[run.life].slowest:
            message = f"{run.turn} flushes, and is not told that what it said is on disk"
            yield Broken("I20", message, int(over))


def _late(history: History, run: HandlerRun, deltas: list[Logged]) -> Iterator[Broken]:
    most = _STEPS * history.lives[run.life].slowest
    own = [e for e in deltas if e.life == run.life and e.index > run.entered]
    stored = list(zip(accumulate(len(e.raw["text"]) for e in own), own, strict=True))
    said = accumulate(len(text) for _, text in run.said)
    for length, (index, _) in zip(said, run.said, strict=True):
        event = next((event for until, event in stored if until >= length), None)
        if event is None or history.failed_between(run.life, run.thread, index, event.index):
            continue
        ticks = (history.records[event.index].at - history.records[index].at) / TICK
        if ticks > most:
            message = f"what {run.turn} said took {ticks:g} ticks to the disk"
            yield Broken("I20", message, event.index)
