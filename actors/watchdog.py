"""The watchdog: notices code that holds the event loop, and logs where it stands.

Such code cannot be stopped from inside the process, and while it runs every thread stands still.
What can be done is to name its line.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Final

import trio
from attrs import frozen

from .actor.turn_runner import call_handler, write_all
from .limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:
    from types import CodeType, FrameType

log = logging.getLogger("holdfast")

# Beats in `watchdog_seconds`. With five, a blockage is reported within 7/5 of that time.
_BEATS: Final = 5
_SHORTEST_BEAT_SECONDS: Final = 0.01
# Seconds to wait for the worker thread at the end: it has nothing to do but to see that.
_JOIN_SECONDS: Final = 1.0


async def run_watchdog(
    limits: Limits = DEFAULT_LIMITS,
    *,
    callers: Iterable[Callable[..., object]] = (call_handler, write_all),
) -> None:
    """Watch the event loop that this runs on, until it is cancelled.

    Each time that the loop makes no progress for `limits.watchdog_seconds`, a daemon worker thread
    logs one error: the handler at fault, the line that it or what it called is at, and the stack.
    One more line says when that is over and how long it took. It costs a task that is woken a few
    times a second; nothing is added to the steps of other tasks.

    It goes by real time, so it has no place on a virtual clock.

    Args:
        limits: `watchdog_seconds` is how long is too long.
        callers: the functions that call handlers; what one of them called is named as the handler.

    Cancellation ends the worker thread; nothing is left behind.
    """
    watch = _Watch(limits.watchdog_seconds, frozenset(map(_code_of, callers)))
    worker = threading.Thread(target=watch.look_until_over, name="holdfast.watchdog", daemon=True)
    worker.start()
    try:
        while True:
            watch.beat()
            await trio.sleep(watch.interval)
    finally:
        watch.beat()
        watch.over.set()
        worker.join(_JOIN_SECONDS)


class _Watch:
    """What the two share: the loop's task sets the time of the last beat, the worker reads it."""

    def __init__(self, threshold: float, callers: frozenset[CodeType]) -> None:
        self.interval = max(threshold / _BEATS, _SHORTEST_BEAT_SECONDS)
        self.over = threading.Event()
        self._watched = threading.get_ident()
        self._threshold = threshold
        self._callers = callers
        self._beaten = time.monotonic()
        self._held_since: float | None = None

    def beat(self) -> None:
        self._beaten = time.monotonic()

    def look_until_over(self) -> None:
        while not self.over.wait(self.interval):
            self._look()
        self._look()

    def _look(self) -> None:
        beaten = self._beaten
        if self._held_since is None:
            held = time.monotonic() - beaten
            # The beat may have come up to an interval before the blockage began.
            if held > self._threshold + self.interval:
                self._held_since = beaten
                self._report(held)
        elif beaten != self._held_since:
            log.warning("the event loop goes on after %.2f s", beaten - self._held_since)
            self._held_since = None

    def _report(self, held: float) -> None:
        frame = sys._current_frames().get(self._watched)
        if frame is None:  # the thread is gone, and its loop with it
            return
        where = find_culprit(frame, self._callers)
        log.error(
            "the event loop makes no progress for %.2f s: %s holds it, at %s\n%s",
            held,
            where.name,
            where.line,
            where.stack,
        )


@frozen
class Culprit:
    """What a worker thread is busy with.

    Args:
        name: the handler, or where none is running the task's function: its module, its name, and
            the line that it is at.
        line: the innermost line: of the handler, or below it of what it called.
        stack: all lines of the task, innermost last, with their source.
    """

    name: str
    line: str
    stack: str


def find_culprit(frame: FrameType, callers: frozenset[CodeType]) -> Culprit:
    """Say what the stack that ends in a frame is busy with.

    Args:
        frame: the innermost one.
        callers: the code of the functions that call handlers.
    """
    # Up to the loop, whose callers are not to blame.
    stack = list(takewhile(lambda each: not _is_trio(each[0]), traceback.walk_stack(frame)))
    frames = [each for each, _ in stack] or [frame]
    handler = next((inner for inner, outer in pairwise(frames) if outer.f_code in callers), None)
    name = f"task {_name(frames[-1])}" if handler is None else f"handler {_name(handler)}"
    summary = traceback.StackSummary.extract(iter(reversed(stack)))
    return Culprit(name, _line(frame), "".join(summary.format()))


def _is_trio(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith("trio._core.")


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname} ({_line(frame)})"


def _line(frame: FrameType) -> str:
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _code_of(function: Callable[..., object]) -> CodeType:
    code: CodeType = function.__code__
    return code
