"""The two readings of one log (I15): what people see, and what a model is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import orjson

from .events import Entry, Recorded, TurnEnded, TurnSubmitted
from .items import Item
from .json_values import copied
from .turn_view import TurnView, see, view_of_submitted


def fold_turn(entries: Iterable[Entry]) -> tuple[Item, ...]:
    """Return the items that one turn's events leave in the transcript.

    Args:
        entries: all events of one turn, oldest first; or the one event of a record.

    Returns:
        The items, none where the turn was rolled back.
    """
    view: TurnView | None = None
    for entry in entries:
        if isinstance(entry.event, Recorded):
            return (record_item(entry.event, entry.at),)
        if isinstance(entry.event, TurnSubmitted):
            view = view_of_submitted(entry.event, entry.at)
        elif view is not None:
            if isinstance(entry.event, TurnEnded) and entry.event.rolled_back:
                return ()
            view = see(view, entry)
    return () if view is None else view.items()


def record_item(event: Recorded, at: float) -> Item:
    """Return a record as the item that it shows as."""
    return Item(event.item, "record", at, None, {"record": event.kind, "data": event.data})


def context(history: Sequence[Item], message: Item) -> list[dict[str, Any]]:
    """Return what a model is given: the turns that ended before, and this turn's own message.

    Partial answers are in, markers, reasoning, records and the application's own kinds are out.
    A tool call without its result is left out, since no model accepts one; calls made side by side
    share a message, and their results come right behind it, for the same reason.

    Args:
        history: the items of the turns that ended before this one started, in turn order.
        message: this turn's message.

    Returns:
        Objects with `role` and `content` (and `tool_calls` or `tool_call_id`), oldest first: the
        shape that chat completion interfaces share. Arguments and results are texts, as JSON where
        they were none.
    """
    # Newest first, so that of several results of one call the first one stays.
    results = {i.body.get("call"): i for i in reversed(history) if i.kind == "tool_result"}
    messages: list[dict[str, Any]] = []
    for called, items in groupby((*history, message), key=lambda item: item.kind == "tool_call"):
        if called:
            messages += _exchanges([item for item in items if item.item in results], results)
        else:
            messages += (_said(item) for item in items if item.kind in _ROLES)
    return messages


# What a model sees, and whose it is; tool calls and their results apart.
_ROLES: Final = {"message": ("user", "content"), "answer": ("assistant", "text")}


def _said(item: Item) -> dict[str, Any]:
    role, field = _ROLES[item.kind]
    return {"role": role, "content": copied(item.body[field])}  # whose items later turns are given


def _exchanges(calls: Sequence[Item], results: Mapping[Any, Item]) -> list[dict[str, Any]]:
    """Return calls that were made side by side, and their results."""
    if not calls:
        return []
    asked = {"role": "assistant", "content": None, "tool_calls": [_call(item) for item in calls]}
    return [asked, *(_result(results[item.item]) for item in calls)]


def _call(item: Item) -> dict[str, Any]:
    function = {"name": item.body["name"], "arguments": _as_text(item.body["arguments"])}
    return {"id": item.item, "type": "function", "function": function}


def _result(item: Item) -> dict[str, Any]:
    content = _as_text(item.body["data"])
    return {"role": "tool", "tool_call_id": item.body["call"], "content": content}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
