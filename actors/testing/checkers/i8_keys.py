"""I8: a key gives its first receipt again; another body is a conflict; no key, no dedupe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from ...core.effects import Submitted
from ..facts import Refused
from ..operations import Submit
from .broken import Broken

if TYPE_CHECKING:
    from ..history import Call, History, Logged


def keys_bind(history: History) -> Iterator[Broken]:
    """Find keys that bound twice, or to another body, and messages that were merged into one."""
    for thread, log in history.logs.items():
        submitted = [event for event in log if event.type == "turn.submitted"]
        yield from _bound_twice(thread, submitted)
    receipts: defaultdict[str, list[Call]] = defaultdict(list)
    for call in history.calls.values():
        if isinstance(call.operation, Submit) and call.over is not None:
            yield from _answered(history, call, call.operation, call.over)
            if isinstance(call.answer, Submitted) and not call.answer.duplicate:
                receipts[call.answer.turn].append(call)
    for turn, calls in receipts.items():
        for again in calls[1:]:
            message = f"{turn} was given to calls {calls[0].number} and {again.number} as new"
            yield Broken("I8", message, again.over or again.called)


def _bound_twice(thread: str, submitted: list[Logged]) -> Iterator[Broken]:
    keyed = [event for event in submitted if event.raw.get("key") is not None]
    keyed.sort(key=_binding)
    for (epoch, _, key), events in groupby(keyed, key=_binding):
        for again in list(events)[1:]:
            message = f"key {key} of {thread} bound twice in life {epoch}"
            yield Broken("I8", message, again.index)


def _binding(event: Logged) -> tuple[int, str, str]:
    return event.epoch, event.raw["author"], event.raw["key"]


def _answered(history: History, call: Call, asked: Submit, over: int) -> Iterator[Broken]:
    if isinstance(call.answer, Submitted):
        position = call.answer.position
        event = history.at.get((call.thread, position.epoch, position.offset))
        if event is not None and not _is_of(event, call, asked):
            message = f"call {call.number} got the receipt of another command, {event.raw}"
            yield Broken("I8", message, over)
        if call.answer.duplicate and asked.key is None:
            yield Broken("I8", f"call {call.number} has no key and is called a duplicate", over)
    if _is_conflict(call) and not _conflicts(history, call, asked, over):
        yield Broken("I8", f"call {call.number} conflicts with nothing", over)


def _is_of(event: Logged, call: Call, asked: Submit) -> bool:
    turn = call.answer.turn if isinstance(call.answer, Submitted) else None
    wanted = {"turn": turn, "content": asked.text, "key": asked.key, "author": call.principal}
    return all(event.raw.get(name) == value for name, value in wanted.items())


def _is_conflict(call: Call) -> bool:
    return isinstance(call.answer, Refused) and call.answer.code == "idempotency_conflict"


def _conflicts(history: History, call: Call, asked: Submit, over: int) -> bool:
    epoch = history.head(call.thread, call.called).epoch
    return any(
        event.type == "turn.submitted"
        and (event.raw["author"], event.raw.get("key")) == (call.principal, asked.key)
        and event.raw["content"] != asked.text
        and event.index < over
        and event.epoch >= epoch
        for event in history.logs[call.thread]
    )
