"""I13: what was deleted or cut stays gone, and a reused id starts empty, in a new epoch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from ...core.effects import RecordReceipt, Submitted
from ...core.position import Position
from ...delivery.batches import Snapshot
from .broken import Broken
from .model import Model, model_of

if TYPE_CHECKING:
    from ..history import Call, History, Logged


def gone_for_good(history: History) -> Iterator[Broken]:
    """Find events after a deletion in the same epoch, and items and keys that came back."""
    gone: dict[tuple[str, str], Position] = {}
    for thread, log in history.logs.items():
        yield from _after_deletion(log)
        for epoch, events in groupby(log, key=lambda event: event.epoch):
            life = [*events]
            for item in _items_of(event for event in life if event.copied):
                gone.pop((thread, item), None)  # a fork keeps the ids of its items
            for item, since in _gone_in(epoch, life):
                gone.setdefault((thread, item), since)
            yield from _miscounted(life)
    for number, batches in history.seen.items():
        for index, saw in batches:
            if isinstance(saw.batch, Snapshot):
                yield from _came_back(saw.batch, gone, number, index)
    for call in history.calls.values():
        yield from _old_receipt(history, call)


def _after_deletion(log: list[Logged]) -> Iterator[Broken]:
    deleted = 0
    for event in log:
        if event.epoch <= deleted:
            message = f"{event.type} was written to epoch {event.epoch}, which was deleted"
            yield Broken("I13", message, event.index)
        if event.type == "thread.deleted":
            deleted = max(deleted, event.epoch)


def _items_of(events: Iterable[Logged]) -> Iterator[str]:
    return (item for items in model_of(events).items.values() for item, _, _ in items)


def _gone_in(epoch: int, events: list[Logged]) -> Iterator[tuple[str, Position]]:
    """Yield the items that left the history, and since which position they are gone."""
    if not any(_cuts(event) or event.type == "thread.deleted" for event in events):
        return
    model = Model()
    for event in events:
        before = {item for item, _, _ in model.history()} if _cuts(event) else set[str]()
        model.take(event)
        after = {item for item, _, _ in model.history()} if _cuts(event) else set[str]()
        yield from ((item, event.position) for item in before - after)
        if event.type == "thread.deleted":
            yield from ((item, Position(epoch + 1, 0)) for item in _items_of(events))


def _miscounted(events: list[Logged]) -> Iterator[Broken]:
    for number, event in enumerate(events, 1):
        if event.type == "thread.truncated" and not event.copied:
            told, left = event.raw.get("items", 0), len(model_of(events[:number]).history())
            if told != left:
                message = f"a truncation leaves {told} items of {event.thread}, it says, and {left}"
                yield Broken("I13", message, event.index)


def _cuts(event: Logged) -> bool:
    return event.type == "thread.truncated" or bool(event.raw.get("rolled_back"))


def _came_back(
    snapshot: Snapshot, gone: dict[tuple[str, str], Position], number: int, index: int
) -> Iterator[Broken]:
    for item in snapshot.items:
        since = gone.get((snapshot.thread, item.item))
        if since is not None and since <= snapshot.position:
            message = f"subscriber {number} is shown {item.item}, which is gone since"
            yield Broken("I13", f"{message} {since.cursor()}", index)


def _old_receipt(history: History, call: Call) -> Iterator[Broken]:
    if isinstance(call.answer, Submitted | RecordReceipt) and call.over is not None:
        epoch = history.head(call.thread, call.called).epoch
        if call.answer.position.epoch < epoch:
            message = f"call {call.number} got the receipt of a deleted thread"
            yield Broken("I13", message, call.over)
