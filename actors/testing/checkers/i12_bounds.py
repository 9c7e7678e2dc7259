"""I12: every queue, buffer, tail and page stays within its figure in `limits`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import orjson

from ...delivery.batches import Events, Snapshot
from ...limits import DEFAULT_LIMITS
from ..facts import Filled, Opening, Saw, Stored
from .broken import Broken

if TYPE_CHECKING:
    from ...actor.fill import Fill
    from ...core.event_codec import Row
    from ...limits import Limits
    from ..history import History, Logged, TurnHistory


def bounds_hold(history: History) -> Iterator[Broken]:
    """Find what grew larger than its bound."""
    largest, limits = 0, DEFAULT_LIMITS
    for index, record in history.of(Opening, Stored, Saw, Filled):
        match record.fact:
            case Opening():
                limits = record.fact.limits
            case Stored(rows=rows):
                largest = max(largest, *(len(row.body) for row in rows))
                yield from _broken(_rows(rows, limits), index)
            case Saw(batch=Events(rows=rows)):
                yield from _broken(_batch(rows, limits), index)
            case Saw(batch=Snapshot() as snapshot):
                yield from _broken(_snapshot(snapshot, limits), index)
            case Filled(fill=fill):
                yield from _broken(_fill(fill, limits, largest), index)
            case _:
                pass
    for turn in history.turns.values():
        yield from _outputs(turn, history)


# What was measured: a name, a size, and its bound.
Measures = Iterator[tuple[str, int, int]]


def _broken(measures: Measures, index: int) -> Iterator[Broken]:
    for name, size, bound in measures:
        if size > bound:
            yield Broken("I12", f"{name}: {size}, where {bound} is the most", index)


def _rows(rows: tuple[Row, ...], limits: Limits) -> Measures:
    yield "bytes of an event", max(len(row.body) for row in rows), limits.frame_bytes


def _batch(rows: tuple[Row, ...], limits: Limits) -> Measures:
    if len(rows) > 1:  # one alone may be larger
        yield "bytes of a batch", sum(len(row.body) for row in rows), limits.batch_bytes


def _snapshot(snapshot: Snapshot, limits: Limits) -> Measures:
    yield "items of a snapshot", len(snapshot.items), limits.window_items_max
    yield "turns in the queue", len(snapshot.queue), limits.queued_turns
    turns = (*snapshot.queue, *((snapshot.turn,) if snapshot.turn is not None else ()))
    for turn in turns:
        # Its message and its marker are not the handler's.
        yield f"items of {turn.turn}", len(turn.items), limits.turn_items + 2


def _fill(fill: Fill, limits: Limits, largest: int) -> Measures:
    yield "commands in a mailbox", fill.commands, limits.mailbox_commands + 1
    yield "bytes of a tail", fill.tail_bytes, max(limits.tail_bytes, largest)
    yield "merged bytes of a tail", fill.tail_merged_bytes, limits.tail_merged_bytes
    yield "pieces in a turn's buffer", fill.pieces, limits.turn_buffer_pieces
    yield "subscribers of a thread", fill.subscribers, limits.subscribers


def _outputs(turn: TurnHistory, history: History) -> Iterator[Broken]:
    """Find a turn that says more than it may; each attempt may say as much."""
    size = 0
    for event in turn.events:
        size = 0 if event.type == "turn.started" else size + _said_in(event)
        most = history.lives[event.life].limits.turn_output_bytes
        yield from _broken(iter([(f"bytes that {turn.turn} says", size, most)]), event.index)


def _said_in(event: Logged) -> int:
    match event.type:
        case "turn.delta":
            return len(event.raw["text"].encode())
        case "turn.item":
            return len(orjson.dumps(event.raw["data"]))
        case _:
            return 0
