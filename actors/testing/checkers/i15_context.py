"""I15: a handler is given the turns that ended before its own started, in turn order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from ..facts import Read
from .broken import Broken
from .model import Model, Shown

if TYPE_CHECKING:
    from ..history import History

# What a message of a context is held against: whose it is, and its text or the call it is of.
Message: TypeAlias = tuple[str, Any]


# What is said in a conversation, tools apart.
_SEEN: Final = ("message", "answer")


def contexts_in_turn_order(history: History) -> Iterator[Broken]:
    """Find handlers that were given another conversation than the one on disk."""
    expected = dict(_expected(history))
    for index, record in history.of(Read):
        if isinstance(record.fact, Read):
            read = record.fact
            wanted = expected.get((read.thread, read.turn, read.attempt))
            given = list(_messages(read.messages))
            if given != wanted:
                yield Broken("I15", f"{read.turn} was given {given}, not {wanted}", index)
            asked = history.turn(read.turn).of("turn.submitted")
            if asked and read.metadata != (asked[0].raw.get("metadata") or {}):
                message = f"{read.turn} was given {read.metadata} as what was sent along"
                yield Broken("I15", message, index)


def _expected(history: History) -> Iterator[tuple[tuple[str, str, int], list[Message]]]:
    for thread, log in history.logs.items():
        for _, life in groupby(log, key=lambda event: event.epoch):
            model = Model()
            for event in life:
                model.take(event)
                if event.type == "turn.started":
                    turn = event.raw["turn"]
                    yield (thread, turn, event.raw["attempt"]), _context(model, turn)


def _context(model: Model, turn: str) -> list[Message]:
    # Of what was settled since an earlier attempt, it is given nothing.
    before = [t for t in model.settled if model.places[t] < model.places[turn]]
    items = [item for each in before for item in model.items[each]]
    return list(_said([*items, model.items[turn][0]], model))


def _said(items: Sequence[Shown], model: Model) -> Iterator[Message]:
    results = {model.calls[item]: item for item, _, _ in items if item in model.calls}
    for called, group in groupby(items, key=lambda item: item[1] == "tool_call"):
        if called:
            done = [item for item, _, _ in group if item in results]
            yield from (("call", item) for item in done)
            yield from (("tool", item) for item in done)
        else:
            yield from ((kind, _said_in(text)) for _, kind, text in group if kind in _SEEN)


def _said_in(text: Any) -> Any:
    """Return what a model sees of a text: nothing that is attached to it."""
    return text[0] if isinstance(text, tuple) else text


def _messages(messages: Sequence[dict[str, Any]]) -> Iterator[Message]:
    for message in messages:
        if "tool_calls" in message:
            yield from (("call", call["id"]) for call in message["tool_calls"])
        elif message["role"] == "tool":
            yield "tool", message["tool_call_id"]
        else:
            yield {"user": "message"}.get(message["role"], "answer"), message["content"]
