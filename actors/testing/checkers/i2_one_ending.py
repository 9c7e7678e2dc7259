"""I2: every accepted submit ends in exactly one terminal event."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .broken import Broken

if TYPE_CHECKING:
    from ..history import History, TurnHistory


def one_ending(history: History) -> Iterator[Broken]:
    """Find turns without an ending, with two, and with a life that the table does not know."""
    for turn in history.turns.values():
        if turn.events:
            yield from _life(history, turn)


def _life(history: History, turn: TurnHistory) -> Iterator[Broken]:
    endings = turn.endings
    if not endings:
        yield Broken("I2", f"{turn.turn} has no terminal event", len(history.records) - 1)
    for second in endings[1:]:
        yield Broken("I2", f"{turn.turn} has a second terminal event, {second.type}", second.index)
    first = turn.events[0]
    if first.type != "turn.submitted":
        yield Broken("I2", f"{turn.turn} was never submitted", first.index)
    for again in turn.of("turn.submitted")[1:]:
        yield Broken("I2", f"{turn.turn} was submitted twice", again.index)
    for number, started in enumerate(turn.of("turn.started"), 1):
        if started.raw["attempt"] != number:
            yield Broken("I2", f"{turn.turn} was started out of turn", started.index)
