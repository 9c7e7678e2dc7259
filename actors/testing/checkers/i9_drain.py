"""I9: who drains begins nothing more, and leaves nothing running for the next start to settle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ...core.commands import FINALISING
from ..facts import Closed
from .broken import Broken

if TYPE_CHECKING:
    from ..history import History, Logged


def drains_in_order(history: History) -> Iterator[Broken]:
    """Find turns that began while the runtime drained, and ones that it left open.

    Turns that were left to themselves, and threads that a fault struck, settle at the next start;
    so does whatever the disk was too slow for. Finalising is the next start's to go on with.
    """
    for index, record in history.of(Closed):
        if isinstance(record.fact, Closed) and _came_to_its_end(history, record.life):
            abandoned = {thread for thread, _ in record.fact.abandoned}
            yield from _left_open(history, record.life, index, abandoned)
    for log in history.logs.values():
        for event in log:
            if event.type == "turn.started" and event.raw["attempt"] == 1:
                yield from _begun(history, event)


def _came_to_its_end(history: History, number: int) -> bool:
    """Say whether a drain ended by itself, and not because its time was over."""
    life, records = history.lives[number], history.records
    if life.closing is None or life.drained is None:
        return False
    limits = life.limits
    time = limits.drain_seconds + 2 * limits.cancel_grace_seconds + limits.close_seconds
    return records[life.drained].at - records[life.closing].at < time


def _left_open(history: History, life: int, closed: int, abandoned: set[str]) -> Iterator[Broken]:
    for turn in history.turns.values():
        started = [event for event in turn.of("turn.started") if event.index < closed]
        if not started or started[-1].life != life or started[-1].thread in abandoned:
            continue
        # What is stored may have been past the failure of a journal that is noted before it.
        thread, since = started[-1].thread, history.first_at(started[-1].index)
        ended = any(ending.index < closed for ending in turn.endings) or turn.turn == FINALISING
        hindered = history.failed_between(life, thread, since, closed)
        if not (ended or hindered or history.is_damaged(thread, closed)):
            yield Broken("I9", f"{turn.turn} is open, and the runtime closed in order", closed)


def _begun(history: History, started: Logged) -> Iterator[Broken]:
    life = history.lives.get(started.life)  # of a past that was read, there is none
    closing = None if life is None else life.closing
    if closing is not None and started.raw["at"] > history.records[closing].at:
        message = f"{started.raw['turn']} was started while the runtime drained"
        yield Broken("I9", message, started.index)
