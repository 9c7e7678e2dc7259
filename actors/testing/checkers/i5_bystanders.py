"""I5: watching, leaving and never having been there change nothing, and reads activate nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..facts import Claimed, Fault
from ..operations import Attach, Cancel, Compact, Delete, Detach, End, ListThreads, ReadPage
from .broken import Broken

if TYPE_CHECKING:
    from ..history import Call, History, Logged, TurnHistory


def bystanders_change_nothing(history: History) -> Iterator[Broken]:
    """Find activations that nobody's command explains, and endings without a cause."""
    for index, record in history.of(Claimed):
        match record.fact:
            case Claimed(thread=thread) if not _has_cause(history, thread, record.life, index):
                yield Broken("I5", f"{thread} was activated without a command", index)
            case _:
                pass
    for turn in history.turns.values():
        for ending in turn.endings:
            if not _CAUSES[ending.type](history, turn, ending):
                message = f"{turn.turn} ended as {ending.type}, which nobody caused"
                yield Broken("I5", message, ending.index)
    for log in history.logs.values():
        for event in log:
            if event.type == "thread.ended" and not _is_closed_by(history, event):
                yield Broken("I5", f"{event.thread} ended, and nobody ended it", event.index)


def _has_cause(history: History, thread: str, life: int, index: int) -> bool:
    commands = (
        call
        for call in history.calls.values()
        if thread in (call.thread, getattr(call.operation, "to", None))
        and (call.life, call.called < index) == (life, True)
        and not isinstance(call.operation, Attach | Detach | Compact | ListThreads | ReadPage)
    )
    # An operator's command: who read may have had the thread set aside, without any other.
    released = bool(history.blows(life, thread, 0, index, Fault.RELEASED))
    return any(commands) or released or history.is_unsettled(thread, history.lives[life].opening)


def may_end(call: Call, turn: TurnHistory, ending: Logged) -> bool:
    """Say whether a call was there at the time when it could have ended a turn."""
    submitted = turn.events[0].index
    return (
        (call.thread, call.life) == (ending.thread, ending.life)
        and call.called < ending.index
        and (call.over is None or call.over > submitted)
    )


def _cancelled(history: History, turn: TurnHistory, ending: Logged) -> bool:
    return ends_by_itself(history, ending) or any(
        isinstance(call.operation, Cancel | End | Delete)
        and call.operation != Delete(unless_used=True)
        and may_end(call, turn, ending)
        for call in history.calls.values()
    )


def ends_by_itself(history: History, ending: Logged) -> bool:
    """Say whether it takes no command to end the thread of an event, there and then."""
    return history.kinds[ending.thread].ends or history.ended_by_service(ending)


def _is_closed_by(history: History, ended: Logged) -> bool:
    return (
        ended.copied
        or ends_by_itself(history, ended)
        or any(
            isinstance(call.operation, End | Delete)
            and (call.thread, call.life) == (ended.thread, ended.life)
            and call.called < ended.index < (call.over or len(history.records))
            for call in history.calls.values()
        )
    )


def _interrupted(history: History, turn: TurnHistory, ending: Logged) -> bool:
    closing = history.lives[ending.life].closing
    drained = closing is not None and closing < ending.index
    since = turn.events[0].index
    failed = history.failed_between(ending.life, ending.thread, since, ending.index)
    return drained or failed or all(e.life < ending.life for e in turn.of("turn.started"))


def _superseded(history: History, turn: TurnHistory, ending: Logged) -> bool:
    successor = history.turn(ending.raw.get("by", "")).of("turn.submitted")
    return bool(successor) and successor[0].raw.get("supersedes") is not None


def _completed(history: History, turn: TurnHistory, ending: Logged) -> bool:
    return any(run.life == ending.life and run.error is None for run in turn.runs)


def _failed(history: History, turn: TurnHistory, ending: Logged) -> bool:
    return any(run.life == ending.life and run.error is not None for run in turn.runs)


def _timed_out(history: History, turn: TurnHistory, ending: Logged) -> bool:
    return any(started.life == ending.life for started in turn.of("turn.started"))


_CAUSES = {
    "turn.cancelled": _cancelled,
    "turn.interrupted": _interrupted,
    "turn.superseded": _superseded,
    "turn.completed": _completed,
    "turn.failed": _failed,
    "turn.timed_out": _timed_out,
}
