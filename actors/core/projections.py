"""The two readings of one log (I15): what people see, and what a model is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from .events import Entry, Recorded, TurnEnded, TurnSubmitted
from .items import Item
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
    A tool call without its result is left out, since no model accepts one.

    Args:
        history: the items of the turns that ended before this one started, in turn order.
        message: this turn's message.

    Returns:
        Objects with `role` and `content` (and `tool_calls` or `tool_call_id`), oldest first: the
        shape that chat completion interfaces share.
    """
    answered = {item.body.get("call") for item in history if item.kind == "tool_result"}
    called = {item.item for item in history if item.kind == "tool_call"}
    messages: list[dict[str, Any]] = []
    for item in (*history, message):
        if item.kind == "tool_call" and item.item not in answered:
            continue
        if item.kind == "tool_result" and item.body.get("call") not in called:
            continue
        _add_message(messages, item)
    return messages


def _add_message(messages: list[dict[str, Any]], item: Item) -> None:
    match item.kind:
        case "message":
            messages.append({"role": "user", "content": item.body["content"]})
        case "answer":
            messages.append({"role": "assistant", "content": item.body["text"]})
        case "tool_call":
            messages.append({"role": "assistant", "content": None, "tool_calls": [_call(item)]})
        case "tool_result":
            result = {"role": "tool", "tool_call_id": item.body["call"]}
            messages.append({**result, "content": item.body["data"]})


def _call(item: Item) -> Mapping[str, Any]:
    function = {"name": item.body["name"], "arguments": item.body["arguments"]}
    return {"id": item.item, "type": "function", "function": function}
