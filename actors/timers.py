"""Timers of many who wait, nearly always in vain: one alarm for all of them."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Protocol

import trio


class Timed(Protocol):
    """Somebody who waits for something, and not for ever."""

    def nudge(self) -> None:
        """The time is over: look again. Returns at once and never raises."""
        ...


class Timers:
    """Nudges whoever has waited for long enough.

    A cancel scope for each of them would take a kilobyte, and trio keeps the deadlines of those
    that came to nothing until there are a thousand.
    """

    def __init__(self) -> None:
        # By how long they wait: those who wait equally long are due in the order they came in.
        self._waiting: dict[float, OrderedDict[Timed, float]] = {}
        self._alarm = trio.CancelScope()

    def start(self, who: Timed, seconds: float) -> None:
        """Nudge once, when so many seconds have passed, unless `stop` comes first.

        Args:
            who: has at most one timer of as many seconds.
            seconds: at least 0; infinity never nudges.
        """
        if seconds == math.inf:
            return
        waiting = self._waiting.setdefault(seconds, OrderedDict())
        waiting[who] = due = trio.current_time() + seconds
        if due < self._alarm.deadline:
            self._alarm.deadline = due

    def stop(self, who: Timed, seconds: float) -> bool:
        """Nudge no more; say whether that came first.

        Args:
            who: has a timer, or had one.
            seconds: what it was started with.
        """
        waiting = self._waiting.get(seconds)
        if waiting is None or waiting.pop(who, None) is None:
            return seconds == math.inf
        if not waiting:
            del self._waiting[seconds]
        self._alarm.deadline = self._next()
        return True

    @trio.lowlevel.enable_ki_protection
    async def run(self) -> None:
        """Nudge until cancelled."""
        while True:
            with trio.CancelScope(deadline=self._next()) as self._alarm:
                await trio.sleep_forever()
            self._nudge_due(trio.current_time())

    def _next(self) -> float:
        firsts = (next(iter(waiting.values())) for waiting in self._waiting.values())
        return min(firsts, default=math.inf)

    def _nudge_due(self, now: float) -> None:
        for seconds, waiting in list(self._waiting.items()):
            while waiting and next(iter(waiting.values())) <= now:
                who, _ = waiting.popitem(last=False)
                who.nudge()
            if not waiting:
                del self._waiting[seconds]
