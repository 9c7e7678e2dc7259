"""I13: a fork has the history up to its item, wholly or not at all, and is made when asked."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING

from ..facts import Fault, Refused
from ..operations import Fork
from .broken import Broken
from .model import Shown, model_of

if TYPE_CHECKING:
    from ..history import Call, History, Logged


def forks_are_whole(history: History) -> Iterator[Broken]:
    """Find copies that lack something or have too much, that nobody asked for, and odd refusals."""
    calls = [call for call in history.calls.values() if isinstance(call.operation, Fork)]
    for forks in history.forks.values():
        for fork in forks:
            yield from _whole(history, fork)
            asked = next((call for call in calls if _asked(call, fork)), None)
            if asked is None:
                yield Broken("I13", f"nobody forked {fork.thread} to {fork.raw['to']}", fork.index)
            else:
                calls.remove(asked)
    for call in history.calls.values():
        if isinstance(call.operation, Fork) and isinstance(call.answer, Refused):
            yield from _refused(history, call, call.operation.to, call.answer.code)


def _whole(history: History, fork: Logged) -> Iterator[Broken]:
    epoch, offset = fork.raw["made"]
    copies = [e for e in history.logs[fork.raw["to"]] if e.epoch == epoch and e.copied]
    if not copies or copies[-1].row.to != offset:
        yield Broken("I13", f"the head of {fork.raw['to']} is not where it is said", fork.index)
    shown, wanted = model_of(copies).history(), _up_to(_before(history, fork), fork.raw["after"])
    if shown != wanted:
        message = f"{fork.raw['to']} begins with {shown}, not with {wanted}"
        yield Broken("I13", message, fork.index)


def _before(history: History, fork: Logged) -> list[Shown]:
    """Return the history of the source as it was copied."""
    log = history.logs[fork.thread]
    return model_of(e for e in log if e.epoch == fork.epoch and e.index < fork.index).history()


def _up_to(items: list[Shown], after: str | None) -> list[Shown]:
    ids = [item for item, _, _ in items]
    return items[: ids.index(after) + 1] if after in ids else []


def _asked(call: Call, fork: Logged) -> bool:
    asked = call.operation
    return (
        isinstance(asked, Fork)
        and (call.thread, call.life) == (fork.thread, fork.life)
        and (asked.to, call.argument) == (fork.raw["to"], fork.raw["after"])
        and asked.key == fork.raw.get("key")
        and call.called < fork.index < _over(call)
    )


def _over(call: Call) -> float:
    return inf if call.over is None else call.over


def _refused(history: History, call: Call, to: str, code: str) -> Iterator[Broken]:
    damaged = history.blows(call.life, to, 0, call.over or 0, Fault.DAMAGE)
    excused = to == call.thread or damaged or history.is_damaged(to, call.called)
    if code == "bad_request" and not excused and not _was_there(history, call, to):
        message = f"call {call.number} was told that {to} is there, and it is not"
        yield Broken("I13", message, call.over or call.called)


def _was_there(history: History, call: Call, thread: str) -> bool:
    """Say whether a thread was there at any time while a call was under way."""
    there = False
    for event in history.logs[thread]:
        if event.index > _over(call):
            break
        if there and event.index > call.called:
            return True
        there = event.type != "thread.deleted"
    return there
