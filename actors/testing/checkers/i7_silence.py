"""I7: a turn that has ended, and a writer that was replaced, write and say nothing more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .broken import Broken

if TYPE_CHECKING:
    from ..history import History, Logged, TurnHistory


def silence_after_the_end(history: History) -> Iterator[Broken]:
    """Find what came of a turn after its ending, and of a writer after its successor's claim."""
    for turn in history.turns.values():
        if turn.endings:
            yield from _after(turn, turn.endings[0])
    for thread, log in history.logs.items():
        yield from _stale(thread, log)


def _after(turn: TurnHistory, ending: Logged) -> Iterator[Broken]:
    for event in turn.events:
        if event.position > ending.position and not event.ends:
            yield Broken("I7", f"{turn.turn} wrote {event.type} after its end", event.index)
    for run in turn.runs:
        late = [index for index, _ in run.said if index > ending.index]
        if run.entered > ending.index:
            late.append(run.entered)
        for index, what in run.acted:
            if index > ending.index:
                message = f"{what}, which {turn.turn} began, took effect after its end"
                yield Broken("I7", message, index)
        for index in late:
            yield Broken("I7", f"the handler of {turn.turn} was heard after its end", index)


def _stale(thread: str, log: list[Logged]) -> Iterator[Broken]:
    newest = 0
    for event in log:
        if event.copied:  # by the writer of another thread
            continue
        if event.generation < newest:
            message = f"generation {event.generation} wrote to {thread} after {newest}"
            yield Broken("I7", message, event.index)
        newest = max(newest, event.generation)
