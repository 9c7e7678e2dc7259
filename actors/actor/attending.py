"""What follows from people coming to a thread and leaving it, by the policies of its kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from ..core.head import Life
from ..delivery.attendance import Attendance
from .deserted import end_when_deserted
from .lifetime import EndAfter

if TYPE_CHECKING:
    import trio

    from ..core.commands import Command
    from .activation import Surroundings
    from .entry import ThreadEntry
    from .kinds import ThreadKind
    from .lifetime import Capacity
    from .reply import Reply


class Attending:
    """Keeps the attendance of every entry of a registry.

    Args:
        nursery: where clocks run.
        around: the time of day, and the bounds in force.
        kind_of: gives a thread's kind from its id.
        post: hands a command to a thread.
        tidy: called with a thread whose entry a clock no longer keeps.
    """

    def __init__(
        self,
        nursery: trio.Nursery,
        around: Surroundings,
        kind_of: Callable[[str], ThreadKind],
        post: Callable[[str, Command, Reply], None],
        tidy: Callable[[str], None],
    ) -> None:
        self._nursery = nursery
        self._clock = around.clock
        self._limits = around.limits
        self._kind_of = kind_of
        self._post = post
        self._tidy = tidy
        self._closed = False

    def of(self, entry: ThreadEntry) -> Attendance:
        """Return the attendance of an entry, which it has from the first one on who attaches."""
        if entry.attendance is None:
            entry.attendance = Attendance(
                self._limits,
                changed=entry.tail.tell,
                deserted=partial(self._deserted, entry),
                broken=partial(self._forget_broken, entry),
                late=partial(self._tell_late, entry),
            )
        return entry.attendance

    def kind(self, thread: str) -> ThreadKind | None:
        """Return a thread's kind; None where there is none to be had."""
        try:
            return self._kind_of(thread)
        except Exception:  # of the application; the thread's activation fails with it and tells
            return None

    def capacity(self, thread: str) -> Capacity | None:
        """Return what bounds how many threads like this one are active."""
        kind = self.kind(thread)
        return kind.capacity if kind is not None else None

    def left_behind(self, entry: ThreadEntry) -> None:
        """Take a thread that a restart has settled for one that everybody left at its last event.

        Who was attached is in no log. Without this it would stay active until somebody came.
        """
        state = entry.tail.state
        if entry.attendance is None and state is not None:
            self._deserted(entry, self._clock.now() - state.active_at)

    def close(self) -> None:
        """Start no further clock: the nursery is about to go."""
        self._closed = True

    def _deserted(self, entry: ThreadEntry, seconds_ago: float = 0.0) -> None:
        kind = self.kind(entry.thread)
        state = entry.tail.state
        there = state is None or state.life is Life.OPEN
        if there and kind is not None and isinstance(kind.lifetime, EndAfter):
            left = kind.lifetime.ttl - max(seconds_ago, 0.0)
            returned = self.of(entry).returned
            watch = partial(
                end_when_deserted, entry, returned, max(left, 0.0), self._post, self._limits
            )
            self._beside(entry, watch)

    def _forget_broken(self, entry: ThreadEntry) -> None:
        self._beside(entry, self.of(entry).forget_broken)

    def _tell_late(self, entry: ThreadEntry) -> None:
        self._beside(entry, self.of(entry).tell_late)

    def _beside(self, entry: ThreadEntry, task: Callable[[], Awaitable[None]]) -> None:
        """Run a task that keeps the entry while it is there, unless all is closed."""
        if not self._closed:
            entry.kept += 1
            self._nursery.start_soon(self._keep, entry, task)

    async def _keep(self, entry: ThreadEntry, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        finally:
            entry.kept -= 1
            self._tidy(entry.thread)
