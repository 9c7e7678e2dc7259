"""Where one task waits to be woken."""

from __future__ import annotations

import trio


class Sleeper:
    """A `trio.lowlevel.ParkingLot` for a single task, at a tenth of what that takes.

    There are several for each thread, idle ones too.
    """

    __slots__ = ("_task",)

    def __init__(self) -> None:
        self._task: trio.lowlevel.Task | None = None

    @property
    def sleeping(self) -> bool:
        """Whether somebody sleeps here, and was not woken."""
        return self._task is not None

    async def sleep(self) -> None:
        """Wait for the next `wake`; one task at a time. Cancellation is harmless."""
        assert self._task is None, "somebody sleeps here"
        self._task = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._leave)

    def wake(self) -> None:
        """Wake whoever sleeps; otherwise do nothing."""
        if self._task is not None:
            task, self._task = self._task, None
            trio.lowlevel.reschedule(task)

    def _leave(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._task = None
        return trio.lowlevel.Abort.SUCCEEDED
