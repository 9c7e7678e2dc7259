"""Ending a thread that everybody has left, where its kind asks for that (`EndAfter`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from ..core.commands import Command, End
from ..core.effects import Closed
from ..errors import Rejected
from .reply import Awaited, Reply

if TYPE_CHECKING:
    from ..limits import Limits
    from .entry import ThreadEntry

# What a later try may get past. A draining runtime ends nothing any more.
_PASSING: Final = frozenset({"overloaded", "journal_unavailable", "internal"})


async def end_when_deserted(
    entry: ThreadEntry,
    returned: trio.Event,
    seconds: float,
    post: Callable[[str, Command, Reply], None],
    limits: Limits,
) -> None:
    """Wait until nobody has been attached for longer than that, then end the thread.

    Returns without ending it where somebody attaches meanwhile, and where nothing is there to end.

    Args:
        entry: the thread's, whom nobody is attached to.
        returned: set once somebody is.
        seconds: how long yet, strict.
        post: hands a command to the thread.
        limits: `journal_reopen_seconds` is the wait before the next try.

    A cancelled call may have asked for the end of the thread.
    """
    # Strictly longer: at the very instant the thread is still waited for.
    due = math.nextafter(trio.current_time() + seconds, math.inf)
    while not await _happens_before(due, returned):
        await _turns_are_over(entry)
        if returned.is_set():
            return
        try:
            closed = await _end(entry.thread, post)
        except Rejected as refusal:
            if refusal.code not in _PASSING:
                return
            due = trio.current_time() + limits.journal_reopen_seconds
        else:
            if closed or not _is_busy(entry):
                return


async def _happens_before(due: float, event: trio.Event) -> bool:
    with trio.move_on_at(due):
        await event.wait()
    return event.is_set()


async def _turns_are_over(entry: ThreadEntry) -> None:
    while _is_busy(entry):
        await entry.tail.moved()


def _is_busy(entry: ThreadEntry) -> bool:
    return entry.actor is not None and entry.actor.busy


async def _end(thread: str, post: Callable[[str, Command, Reply], None]) -> bool:
    reply = Awaited()
    post(thread, End(unless_busy=True), reply)
    closed = await reply.result()
    return isinstance(closed, Closed) and closed.existed
