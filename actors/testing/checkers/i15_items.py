"""I15: an item's id is its own for as long as its thread lives: another attempt has others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from .broken import Broken

if TYPE_CHECKING:
    from ..history import History, Logged


def ids_are_used_once(history: History) -> Iterator[Broken]:
    """Find items that have the id of an earlier one; pieces of one text share theirs."""
    for log in history.logs.values():
        for _, life in groupby(log, key=lambda event: event.epoch):
            yield from _used_twice([*life])


def _used_twice(life: Sequence[Logged]) -> Iterator[Broken]:
    attempts: dict[str, int] = {}
    used: dict[str, object] = {}  # by id: the attempt whose text it is, or the one event
    for event in life:
        turn, item = event.raw.get("turn", ""), event.raw.get("item")
        if event.type == "turn.started":
            attempts[turn] = event.raw["attempt"]
        if item is not None:
            is_text = event.type == "turn.delta"
            owner = ("text", turn, attempts.get(turn)) if is_text else event.row.offset
            if event.raw.get("rolled_back"):
                message = f"{turn} is rolled back, and shows {item} all the same"
                yield Broken("I15", message, event.index)
            if used.setdefault(item, owner) != owner:
                yield Broken("I15", f"{item} of {event.thread} is another item's id", event.index)
