"""I8: a key gives its first receipt again; another body is a conflict; no key, no dedupe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from ...core.effects import ForkReceipt, RecordReceipt, Submitted
from ..facts import Refused
from ..operations import Finalise
from .broken import Broken
from .keyed import (
    asked_for,
    author_and_key,
    bound,
    given_by,
    key_of,
    may_be_of,
    may_say,
    told_of,
)

if TYPE_CHECKING:
    from ..facts import Receipt
    from ..history import Call, History, Logged


def keys_bind(history: History) -> Iterator[Broken]:
    """Find keys that bound twice, or to another body, and messages that were merged into one."""
    for thread in (*history.logs, *(history.forks.keys() - history.logs.keys())):
        yield from _bound_twice(thread, list(bound(history, thread)))
    receipts: defaultdict[str, list[Call]] = defaultdict(list)
    for call in history.calls.values():
        if _may_bind(call) and call.over is not None:
            yield from _answered(history, call, call.over)
            if isinstance(call.answer, Submitted):
                receipts[call.answer.turn].append(call)
    for turn, calls in receipts.items():
        yield from _given_twice(turn, calls)


def _given_twice(turn: str, calls: list[Call]) -> Iterator[Broken]:
    new = [c for c in calls if isinstance(c.answer, Submitted) and not c.answer.duplicate]
    for again in new[1:]:
        message = f"{turn} was given to calls {new[0].number} and {again.number} as new"
        yield Broken("I8", message, again.over or again.called)
    for other in calls:
        if asked_for(other) != asked_for(calls[0]):
            message = f"calls {calls[0].number} and {other.number} say different things as {turn}"
            yield Broken("I8", message, other.over or other.called)


def _may_bind(call: Call) -> bool:
    """Say whether it is of a sort that a key may go with; who finalises again needs none."""
    again = isinstance(call.answer, Submitted) and call.answer.duplicate
    return asked_for(call) is not None and not (again and call.operation == Finalise())


def _bound_twice(thread: str, keyed: list[Logged]) -> Iterator[Broken]:
    keyed.sort(key=_binding)
    for (epoch, _, key), events in groupby(keyed, key=_binding):
        for again in list(events)[1:]:
            message = f"key {key} of {thread} bound twice in life {epoch}"
            yield Broken("I8", message, again.index)


def _binding(event: Logged) -> tuple[int, str, str | None]:
    return event.epoch, *author_and_key(event)


def _answered(history: History, call: Call, over: int) -> Iterator[Broken]:
    answer = call.answer
    if isinstance(answer, Submitted | RecordReceipt | ForkReceipt):
        event = _named(history, call, answer)
        if event is not None and not _is_of(event, call):
            message = f"call {call.number} got the receipt of another command, {event.raw}"
            yield Broken("I8", message, over)
        if answer.duplicate and key_of(call) is None:
            yield Broken("I8", f"call {call.number} has no key and is called a duplicate", over)
    if _is_conflict(call) and not _conflicts(history, call, over):
        yield Broken("I8", f"call {call.number} conflicts with nothing", over)


def _named(history: History, call: Call, answer: Receipt) -> Logged | None:
    """Return the event that a receipt names."""
    if isinstance(answer, ForkReceipt):
        made = given_by(call)
        forks = history.forks[call.thread]
        return next((fork for fork in forks if (told_of(fork) or ())[1:] == (made,)), None)
    position = answer.position
    return history.at.get((call.thread, position.epoch, position.offset))


def _is_of(event: Logged, call: Call) -> bool:
    return may_say(told_of(event), call) and may_be_of(event, call)


def _is_conflict(call: Call) -> bool:
    return isinstance(call.answer, Refused) and call.answer.code == "idempotency_conflict"


def _conflicts(history: History, call: Call, over: int) -> bool:
    epoch = history.head(call.thread, call.called).epoch
    return any(
        may_be_of(event, call)
        and (told_of(event) or (None,))[0] != asked_for(call)
        and event.index < over
        and event.epoch >= epoch
        for event in bound(history, call.thread)
    )
