"""Who is attached to one thread: presence. It belongs to the registry's entry, as the tail does.

An attachment whose connection broke without a word stays counted for `limits.presence_seconds`, so
that its reconnecting shows nobody leaving and coming back. And where people come and go faster than
anybody could follow, readers are told of the outcome, once in a while.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio

from .batches import Attendee, Roll

if TYPE_CHECKING:
    from ..limits import Limits


class Attendance:
    """The roll of one thread, and since when nobody is attached.

    Args:
        limits: `presence_seconds`, `presence_principals`, `presence_changes` in a window of
            `presence_window_seconds`; `subscribers` bounds the broken ones.
        changed: called when the roll is another one; returns at once.
        late: called when a change is to be told at the end of the window: `tell_late` is to be run.
            It is not called again before that has returned.
        deserted: called when the last attachment has left; returns at once.
        broken: called when there is a broken attachment to be remembered: `forget_broken` is to be
            run. It is not called again before that has returned.

    Attributes:
        attached: how many attachments there are; broken ones do not count.
        version: how often readers were told to look. Who has looked since does so no more.
        returned: set once somebody attaches after the last one had left.
    """

    def __init__(
        self,
        limits: Limits,
        changed: Callable[[], None],
        deserted: Callable[[], None],
        broken: Callable[[], None],
        late: Callable[[], None],
    ) -> None:
        self.attached = 0
        self.version = 0
        self.returned = trio.Event()
        self._limits = limits
        self._changed = changed
        self._deserted = deserted
        self._on_broken = broken
        self._on_late = late
        self._late = False
        self._window_ends = -math.inf
        self._told = 0
        self._counts: dict[str, int] = {}
        self._broken: dict[str, list[float]] = {}
        self._forgetting = False
        self._roll: Roll | None = None

    @property
    def roll(self) -> Roll:
        """Who is there, longest first; one object until that changes."""
        if self._roll is None:
            shown = list(self._counts.items())[: self._limits.presence_principals]
            attendees = tuple(Attendee(principal, count) for principal, count in shown)
            self._roll = Roll(attendees, len(self._counts))
        return self._roll

    def enter(self, principal: str) -> None:
        """Count an attachment; it takes the place of a broken one of the same principal."""
        self.attached += 1
        self.returned.set()
        if principal in self._broken:
            self._forget_one(principal)
        else:
            self._count(principal, 1)

    def leave(self, principal: str, *, broken: bool) -> None:
        """Count an attachment no longer, or not for long where its connection broke.

        Args:
            principal: whose it is; it has entered.
            broken: it went without a word, so its client may be back within
                `limits.presence_seconds`.
        """
        self.attached -= 1
        if broken and sum(map(len, self._broken.values())) < self._limits.subscribers:
            until = trio.current_time() + self._limits.presence_seconds
            self._broken.setdefault(principal, []).append(until)
            if not self._forgetting:
                self._forgetting = True
                self._on_broken()
        else:
            self._count(principal, -1)
        if not self.attached:
            self.returned = trio.Event()
            self._deserted()

    async def forget_broken(self) -> None:
        """Let broken attachments go, each in its time, until none is left.

        Cancellation leaves those that are left attached.
        """
        try:
            while self._broken:
                await trio.sleep_until(min(untils[0] for untils in self._broken.values()))
                self._forget_due(trio.current_time())
        finally:
            self._forgetting = False

    def _forget_due(self, now: float) -> None:
        for principal, untils in list(self._broken.items()):
            while untils and untils[0] <= now:
                self._forget_one(principal)
                self._count(principal, -1)

    def _forget_one(self, principal: str) -> None:
        untils = self._broken[principal]
        del untils[0]
        if not untils:
            del self._broken[principal]

    def _count(self, principal: str, change: int) -> None:
        count = self._counts.get(principal, 0) + change
        if count:
            self._counts[principal] = count
        else:
            del self._counts[principal]
        self._roll = None
        if self._is_told_at_once():
            self._tell()
        elif not self._late:
            self._late = True
            self._on_late()

    async def tell_late(self) -> None:
        """Wait for the window to end, and tell what has changed in it.

        Cancellation tells nobody.
        """
        try:
            await trio.sleep_until(self._window_ends)
        finally:
            self._late = False
        self._is_told_at_once()
        self._tell()

    def _is_told_at_once(self) -> bool:
        now = trio.current_time()
        if now >= self._window_ends:
            self._window_ends = now + self._limits.presence_window_seconds
            self._told = 0
        self._told += 1
        return self._told <= self._limits.presence_changes and not self._late

    def _tell(self) -> None:
        self.version += 1
        self._changed()
